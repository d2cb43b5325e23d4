"use strict";

const assert = require("node:assert");
const test = require("node:test");
const template = require("tiny-template");

test("a template", () => assert.equal(template("{{a}}-{{b}}", { a: 1 }), "1-"));
