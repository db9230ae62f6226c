// jsii's Node. `node.py` starts it with the folder of jsii's own files and the versions that this file is made for.
'use strict';
const Module = require('node:module');
const fs = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const workers = require('node:worker_threads');

const [embedded, expected] = [process.argv[2], JSON.parse(process.argv[3])];
const program = path.join(embedded, 'lib__program.js');
// A function that Node 22 prints a deprecation warning for, and that libraries of cdktf call.
require('node:util').isArray = Array.isArray;

const { readSync, writeSync } = fs;
const say = (name, chunk) => writeSync(2, `${JSON.stringify({ [name]: Buffer.from(chunk).toString('base64') })}\n`);

const [index, stacks, archives, traces] = [
  /[\\/]@(?:cdktf|cdktn)[\\/]provider-aws[\\/]lib[\\/]index\.js$/,
  /[\\/](cdkt[fn])[\\/]lib[\\/]terraform-stack\.js$/,
  /[\\/]cdkt[fn][\\/]lib[\\/]private[\\/]fs\.js$/,
  /[\\/]cdkt[fn][\\/]lib[\\/]tokens[\\/]private[\\/]stack-trace\.js$/,
];
const original = Module._extensions['.js'];
Module._extensions['.js'] = function (module, filename) {
  if (index.test(filename)) return lazy(module, filename);
  original(module, filename);
  // Where in cdktf each value was made: of no use in Python, and two in a hundred of the time.
  if (traces.test(filename)) module.exports.captureStackTrace = () => [];
  const [, name] = stacks.exec(filename) ?? [];
  if (name) readable(name, module.exports.TerraformStack, path.join(filename, '../../package.json'));
};

// The provider's index requires all of its 2,100 resource modules at once. As getters they load when first used.
function lazy(module, filename) {
  const text = fs.readFileSync(filename, 'utf8').replace(
    /^exports\.(\w+) = ((?:__importStar\()?require\("\.\/[^"]+"\)\)?);$/gm,
    (_, name, load) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${load} });`,
  );
  return module._compile(text, filename);
}

// Compiled code is kept beside the packages, in the folder that jsii has found to be private. Node looks for it by the
// name of a file, and jsii links the packages to a new folder in each run.
const compile = Module.prototype._compile;
Module.prototype._compile = function (content, filename, ...rest) {
  const real = fs.realpathSync(filename);
  const [, kept] = /^(.+)[\\/]constructs[\\/][^\\/]+[\\/]\w+[\\/]lib[\\/]index\.js$/.exec(real) ?? [];
  if (kept) Module.enableCompileCache(path.join(kept, '.compiled'));
  // jsii describes each type for the message of an assertion that holds.
  const text = filename === program ? content.replace(', got ${(0,K.inspect)(e)}`', '`') : content;
  return compile.call(this, text, real, ...rest);
};

// A tenth of cdktf's start is a library for archives, which only assets need.
const load = Module._load;
Module._load = function (request, parent, main) {
  if (request !== 'archiver' || !archives.test(parent?.filename ?? '')) return load(request, parent, main);
  const archiver = () => load(request, parent, main);
  return new Proxy(() => {}, {
    apply: (_, self, args) => Reflect.apply(archiver(), self, args),
    get: (_, name) => archiver()[name],
  });
};

// Addresses as `ReadableStack` in stacks/base.py makes them, for stacks that ask for it by a mark: asking Python for
// each would be half of all messages.
function readable(name, TerraformStack, file) {
  const { version } = JSON.parse(fs.readFileSync(file, 'utf8'));
  if (!expected[name]?.includes(version)) {
    const known = (expected[name] ?? []).join(', ');
    say('stderr', `${name} ${version}: not a version that addresses are made for here (${known}); a synth is slower\n`);
    return;
  }
  const paths = new WeakMap();
  const { getLogicalId } = TerraformStack.prototype;
  TerraformStack.prototype.getLogicalId = function (element) {
    if (!this.node.tryGetContext('astro-on-aws/readable-addresses')) return getLogicalId.call(this, element);
    const { path } = element.node ?? element;
    const id = path.split('/').slice(1).filter((part) => part !== 'Default').join('_');
    if (!paths.has(this)) paths.set(this, new Map());
    const taken = paths.get(this);
    const other = taken.get(id) ?? path;
    if (other !== path) throw new Error(`${path} and ${other} would both have the Terraform name ${id}`);
    taken.set(id, path);
    return id;
  };
}

// jsii's own entry point starts a second Node and copies every message between it and Python. Here its program runs in
// this one: what it reads from and writes to its file 3 are our input and output, and what libraries print is wrapped
// as the first one does.
let messages = 0;
fs.readSync = (fd, ...rest) => {
  if (fd !== 3) return readSync(fd, ...rest);
  if (++messages === 3000 && optimizes) v8.setFlagsFromString('--opt');
  return readSync(0, ...rest);
};
fs.writeSync = (fd, ...rest) => writeSync(fd === 3 ? 1 : fd, ...rest);
for (const name of ['stdout', 'stderr']) {
  process[name].write = (chunk, encoding, done) => {
    say(name, typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk);
    (typeof encoding === 'function' ? encoding : done)?.();
    return true;
  };
}

// Optimized code pays for itself in large estates only.
const optimizes = process.version.startsWith('v22.');
if (optimizes) v8.setFlagsFromString('--no-opt');

// jsii indexes a new package in a worker, and then ends before the worker does: each run would read all of it.
const building = new Set();
workers.Worker = class extends workers.Worker {
  constructor(file, ...rest) {
    // In the folder of jsii's own files, a name holds the folder that it is unpacked to.
    const own = path.join(embedded, `lib__${path.basename(String(file))}`);
    super(fs.existsSync(own) ? own : file, ...rest);
    building.add(this);
    this.once('exit', () => building.delete(this));
  }
};
const { exit } = process;
process.exit = (code) => {
  if (!building.size) return exit.call(process, code);
  for (const worker of building) worker.once('exit', () => building.size || exit.call(process, code));
};

require(program);
