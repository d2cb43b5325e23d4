"use strict";

/** Replaces {{name}} by values.name. */
module.exports = (text, values) => text.replace(/\{\{(\w+)\}\}/g, (_, name) => String(values[name] ?? ""));
