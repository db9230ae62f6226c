// jsii's Node. `node.py` starts it with the folder of jsii's own files and the versions that this file supports.
'use strict';
const Module = require('node:module');
const fs = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const workers = require('node:worker_threads');

const [embedded, expected] = [process.argv[2], JSON.parse(process.argv[3])];
const program = path.join(embedded, 'lib__program.js');
// Node 22 prints a deprecation warning for this function, which cdktf's libraries call.
require('node:util').isArray = Array.isArray;

const { readSync, writeSync } = fs;
const say = (name, chunk) => writeSync(2, `${JSON.stringify({ [name]: Buffer.from(chunk).toString('base64') })}\n`);

// The package of `slim.py` has its whole code in index.js.
const [index, main, archives] = [
  /[\\/]@(?:cdktf|cdktn)[\\/]provider-aws[\\/]lib[\\/]index\.js$/,
  /[\\/](cdkt[fn])[\\/]lib[\\/]index\.js$/,
  /[\\/]cdkt[fn][\\/]lib[\\/](?:index|private[\\/]fs)\.js$/,
];
const original = Module._extensions['.js'];
Module._extensions['.js'] = function (module, filename) {
  if (index.test(filename)) return lazy(module, filename);
  original(module, filename);
  const [, name] = main.exec(filename) ?? [];
  if (name) readable(name, module.exports.TerraformStack, path.join(filename, '../../package.json'));
};

// cdktf records where each value was created, with this limit. Python does not use it, and it takes 2 % of the time.
const { captureStackTrace } = Error;
Error.captureStackTrace = (object, below) =>
  Error.stackTraceLimit === Number.MAX_SAFE_INTEGER || captureStackTrace(object, below);

// The provider's index loads all of its 2,100 resource modules at once. Getters load each on first use.
function lazy(module, filename) {
  const text = fs.readFileSync(filename, 'utf8').replace(
    /^exports\.(\w+) = ((?:__importStar\()?require\("\.\/[^"]+"\)\)?);$/gm,
    (_, name, load) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${load} });`,
  );
  return module._compile(text, filename);
}

// Compiled code is cached beside the packages, in the folder that jsii has verified to be private. Node's own cache
// depends on file names, and jsii links the packages to a new folder in each run.
const compile = Module.prototype._compile;
Module.prototype._compile = function (content, filename, ...rest) {
  const real = fs.realpathSync(filename);
  const [, kept] = /^(.+)[\\/]constructs[\\/][^\\/]+[\\/]\w+[\\/]lib[\\/]index\.js$/.exec(real) ?? [];
  if (kept) Module.enableCompileCache(path.join(kept, '.compiled'));
  // jsii formats each type for an assertion message even if the assertion holds.
  const text = filename === program ? content.replace(', got ${(0,K.inspect)(e)}`', '`') : content;
  return compile.call(this, text, real, ...rest);
};

// A library for archives takes a tenth of cdktf's start, but only assets need it.
const load = Module._load;
Module._load = function (request, parent, main) {
  if (request !== 'archiver' || !archives.test(parent?.filename ?? '')) return load(request, parent, main);
  const archiver = () => load(request, parent, main);
  return new Proxy(() => {}, {
    apply: (_, self, args) => Reflect.apply(archiver(), self, args),
    get: (_, name) => archiver()[name],
  });
};

// Computes the same addresses as `ReadableStack` in stacks/base.py, for stacks with a mark. Requests to Python for each
// address would be half of all messages.
function readable(name, TerraformStack, file) {
  const { version } = JSON.parse(fs.readFileSync(file, 'utf8'));
  if (!expected[name]?.includes(version)) {
    const known = (expected[name] ?? []).join(', ');
    say('stderr', `${name} ${version}: only version ${known} has fast addresses; a synth is slower\n`);
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

// jsii's own entry point starts a second Node and copies every message between it and Python. Here, jsii's program runs
// in this process. Its file descriptor 3 is connected to standard input and output, and printed text is wrapped as in
// the first Node.
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

// Optimized code is worth its cost only in large estates.
const optimizes = process.version.startsWith('v22.');
if (optimizes) v8.setFlagsFromString('--no-opt');

// jsii indexes a new package in a worker but exits before the worker ends, so each run would read the whole package.
const building = new Set();
workers.Worker = class extends workers.Worker {
  constructor(file, ...rest) {
    // In the folder of jsii's own files, a name contains the folder that it is unpacked to.
    const own = path.join(embedded, `lib__${path.basename(String(file))}`);
    super(fs.existsSync(own) ? own : file, ...rest);
    building.add(this);
    this.once('exit', () => building.delete(this));
  }
};
// Python ends, and its folder is deleted then: a terminal sends Ctrl-C to both.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
const { exit } = process;
process.exit = (code) => {
  if (!building.size) return exit.call(process, code);
  for (const worker of building) worker.once('exit', () => building.size || exit.call(process, code));
};

require(program);
