// The description of the API under an independent validator.
//   node openapi.js PORT
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { cases, deepEqual, equal } from "./cases.js";

const { resolve } = createRequire(process.env.TEST_CLIENTS + "/");
const { Validator } = await import(pathToFileURL(resolve("@seriousme/openapi-schema-validator")));
const document = await (await fetch(`http://127.0.0.1:${process.argv[2]}/api/v1/openapi.json`)).json();

await cases({
  "is valid OpenAPI 3.1": async () => {
    const validator = new Validator();
    const result = await validator.validate(structuredClone(document));
    deepEqual(result.errors ?? [], []);
    equal(result.valid, true);
    equal(validator.version, "3.1");
  },
  "is found invalid when it is": async () => {
    const broken = structuredClone(document);
    delete broken.paths["/api/v1/reports"].get.responses;
    broken.paths["/api/v1/reports"].get.parameters[0].in = "nowhere";
    equal((await new Validator().validate(broken)).valid, false);
  },
});
