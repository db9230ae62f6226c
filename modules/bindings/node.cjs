// Loaded into jsii's Node process before anything else (NODE_OPTIONS=--require). The provider package's
// lib/index.js requires all of its 2,100 resource modules at once; as getters they load when first used.
'use strict';
const Module = require('node:module');
const fs = require('node:fs');
const path = require('node:path');

const providerIndex = /[\\/]@(?:cdktf|cdktn)[\\/]provider-aws[\\/]lib[\\/]index\.js$/;
const eagerExport = /^exports\.(\w+) = ((?:__importStar\()?require\("\.\/[^"]+"\)\)?);$/gm;
// jsii's runtime calls a function that Node 22 prints a deprecation warning for.
require('node:util').isArray = Array.isArray;

const original = Module._extensions['.js'];

Module._extensions['.js'] = function (module, filename) {
  if (!providerIndex.test(filename)) return original(module, filename);
  const lazy = fs.readFileSync(filename, 'utf8').replace(
    eagerExport,
    (_, name, load) => `Object.defineProperty(exports, "${name}", { enumerable: true, get: () => ${load} });`,
  );
  return module._compile(lazy, filename);
};
