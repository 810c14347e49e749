// Runs cases one after the other: { what: async () => {} }. Each may take 30 seconds, or as many as
// are given.
import assert from "node:assert/strict";

export const { equal, deepEqual } = assert;

export function match(value, holds) {
  assert.ok(holds(value), `not as it should be: ${JSON.stringify(value)}`);
}

function limited(promise, seconds) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function cases(table, seconds = 30) {
  let passed = 0;
  let failed = 0;
  for (const [what, run] of Object.entries(table)) {
    try {
      await limited(run(), seconds);
      passed++;
      console.log(`ok ${what}`);
    } catch (error) {
      failed++;
      console.log(`not ok ${what}: ${error.stack}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed || !passed ? 1 : 0);
}
