// jose of npm reads our tokens by our published keys, and we read those that it makes.
//   node jose.js PORT TOKEN ALG KEY        KEY: the private key's file, or the shared secret
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { cases, deepEqual, equal } from "./cases.js";

const jose = createRequire(process.env.TEST_CLIENTS + "/")("jose");
const [port, token, alg, key] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const ours = { issuer: "fixxit", audience: "fixxit", algorithms: [alg] };
const shared = alg === "HS256";
const signing = shared ? new TextEncoder().encode(key) : await jose.importPKCS8(readFileSync(key, "utf8"), alg);
const published = shared ? signing : jose.createRemoteJWKSet(new URL(`${base}/.well-known/jwks.json`));
const { protectedHeader, payload } = await jose.jwtVerify(token, published, ours);

async function status(text) {
  const answer = await fetch(`${base}/api/v1/users/me`, { headers: { authorization: `Bearer ${text}` } });
  return answer.status;
}

function signed(claims, header = protectedHeader) {
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(signing);
}

await cases({
  "it reads our token": async () => {
    equal(protectedHeader.alg, alg);
    equal(typeof protectedHeader.kid, "string");
    for (const name of ["iss", "aud", "sub", "tid", "role", "jti", "iat", "exp"]) equal(payload[name] !== undefined, true, name);
    equal(payload.exp - payload.iat, 900);
  },
  "it does not read it for anybody else": async () => {
    for (const wrong of [{ issuer: "x" }, { audience: "x" }, { algorithms: ["PS256"] }]) {
      await jose.jwtVerify(token, published, { ...ours, ...wrong }).then(() => { throw new Error("read"); }, (error) => {
        equal(error.message === "read", false);
      });
    }
  },
  "our key set holds public keys only": async () => {
    const { keys } = await (await fetch(`${base}/.well-known/jwks.json`)).json();
    equal(keys.length, shared ? 0 : 1);
    for (const jwk of keys) {
      deepEqual(["d", "p", "q", "dp", "dq", "qi", "k"].filter((name) => name in jwk), []);
      equal((await jose.importJWK(jwk, alg)).type, "public");
    }
  },
  "we read what it signs": async () => {
    equal(await status(token), 200);
    equal(await status(await signed(payload)), 200);
  },
  "we refuse what it signs with other claims": async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const changes of [{ iss: "x" }, { aud: "x" }, { exp: now - 10 }, { iat: now + 600 }, { nbf: now + 600 }, { sid: undefined }]) {
      equal(await status(await signed({ ...payload, ...changes })), 401, JSON.stringify(changes));
    }
    equal(await status(await signed(payload, { ...protectedHeader, kid: "other" })), 401);
  },
  "we refuse what it does not sign": async () => {
    equal(await status(new jose.UnsecuredJWT(payload).encode()), 401);
  },
});
