// The REST API. The access token lives in memory only; the refresh token is an HttpOnly cookie, so a
// reload of the page signs in again by itself. The CSRF token lies in a cookie that scripts may
// read, and is sent back in a header.

const BASE = "/api/v1";
const REFRESH_BEFORE_MS = 60_000;
const CSRF_COOKIE = /(?:^|; )fixxit_csrf=([^;]+)/;

let token = null;
let renewing = null;
let renewTimer = 0;
const listeners = { token: [], signedOut: [] };

export class ApiError extends Error {
  constructor(status, error) {
    super(describe(error) || `The server answered ${status}`);
    this.status = status;
    this.code = error?.code;
    this.mfaToken = error?.mfaToken;
    this.details = error?.details ?? [];
  }
}

function describe(error) {
  if (!error) return "";
  const fields = (error.details ?? []).filter((detail) => detail.field && detail.message);
  if (error.code !== "VALIDATION_ERROR" || !fields.length) return error.message;
  return fields.map((detail) => `${detail.field} ${detail.message}`).join("; ");
}

/** on("token", fn(token)) after each renewal, on("signedOut", fn) when the session is over. */
export function on(name, listener) {
  listeners[name].push(listener);
}

const emit = (name, value) => listeners[name].forEach((listener) => listener(value));

export const accessToken = () => token;

async function send(path, { method = "GET", body, headers = {} } = {}) {
  const options = { method, headers: { ...headers }, credentials: "same-origin" };
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  try {
    return await fetch(path.startsWith("/api/") ? path : BASE + path, options);
  } catch {
    throw new ApiError(0, { message: "The server cannot be reached. Your change was not saved." });
  }
}

async function read(response) {
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.error);
  return answer;
}

function accept(session) {
  token = session.accessToken;
  clearTimeout(renewTimer);
  const wait = Math.max(5_000, session.expiresIn * 1000 - REFRESH_BEFORE_MS);
  renewTimer = setTimeout(() => renew().catch(() => {}), wait);
  emit("token", token);
  return session.user;
}

function forget() {
  token = null;
  clearTimeout(renewTimer);
}

/** Throws an error with an mfaToken where a second step is asked for: see secondStep. */
export async function signIn(email, password) {
  const answer = await read(await send("/auth/login?cookie=true", {
    method: "POST", body: { email, password },
  }));
  return accept(answer.data);
}

/** The second step: six digits of the app, or a recovery code. */
export async function secondStep(mfaToken, text) {
  const digits = text.replace(/\s/g, "");
  const proof = /^\d{6}$/.test(digits) ? { code: digits } : { recoveryCode: text };
  const answer = await read(await send("/auth/mfa/verify?cookie=true", {
    method: "POST", body: { mfaToken, ...proof },
  }));
  return accept(answer.data);
}

const csrfToken = () => document.cookie.match(CSRF_COOKIE)?.[1] ?? "";

// A refresh token works once: two tabs that renew in the same moment must do so in turn.
function inTurn(work) {
  return navigator.locks ? navigator.locks.request("fixxit.renew", work) : work();
}

/** Exchanges the cookie for a new access token; returns the user. Calls at once share one renewal. */
export function renew() {
  renewing ??= (async () => {
    try {
      return await inTurn(async () => {
        const response = await send("/auth/refresh", {
          method: "POST", body: {}, headers: { "X-CSRF-Token": csrfToken() },
        });
        return accept((await read(response)).data);
      });
    } catch (error) {
      // Only a refusal ends the session; a server that is away for a moment does not.
      if (error.status >= 400 && error.status < 500) {
        const wasSignedIn = token !== null;
        forget();
        if (wasSignedIn) emit("signedOut");
      }
      throw error;
    } finally {
      renewing = null;
    }
  })();
  return renewing;
}

/** Whether this browser is signed in already. */
export const mayRenew = () => csrfToken() !== "";

export async function signOut() {
  await send("/auth/logout", { method: "POST", body: {} }).catch(() => {});
  forget();
}

async function authorized(path, options) {
  const response = await send(path, options);
  if (response.status !== 401) return response;
  await renew();
  return send(path, options);
}

/** Returns the whole answer: {data, meta}. Raises ApiError. */
export async function request(path, options) {
  return read(await authorized(path, options));
}

export const get = (path) => request(path);
export const post = (path, body) => request(path, { method: "POST", body });
export const put = (path, body) => request(path, { method: "PUT", body });

const PICTURES_MAX = 150;
const pictures = new Map(); // url -> promise of an object URL, oldest first

/** An object URL of a picture that only signed-in people may fetch. */
export function picture(url) {
  if (!pictures.has(url)) {
    const loading = authorized(url).then(async (response) => {
      if (!response.ok) throw new ApiError(response.status);
      return URL.createObjectURL(await response.blob());
    });
    pictures.set(url, loading);
    loading.catch(() => pictures.delete(url));
    if (pictures.size > PICTURES_MAX) {
      const [oldest, value] = pictures.entries().next().value;
      pictures.delete(oldest);
      value.then(URL.revokeObjectURL, () => {});
    }
  }
  return pictures.get(url);
}
