// The live connection: signs in by its first frame, comes back after a loss and takes up where it
// left ({epoch, lastSeq}); what the server cannot replay it says with "resync".

import { accessToken, on as onApi, renew } from "./api.js";

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
const UNAUTHORIZED = 4401;

let socket = null;
let wanted = false;
let retryMs = RETRY_MIN_MS;
let retryTimer = 0;
let position = null; // {epoch, lastSeq} of the last event seen
let hasConnected = false;
let handlers = { event() {}, state() {}, resync() {} };

function say(frame) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
}

function onFrame(frame) {
  switch (frame.type) {
    case "auth:ok":
      retryMs = RETRY_MIN_MS;
      handlers.state("live");
      if (position) say({ type: "resume", ...position });
      else if (hasConnected) handlers.resync();
      hasConnected = true;
      break;
    case "event":
      if (frame.seq !== undefined) {
        // What a resume repeats was handled before.
        if (position?.epoch === frame.epoch && frame.seq <= position.lastSeq) return;
        position = { epoch: frame.epoch, lastSeq: frame.seq };
      }
      handlers.event(frame.event, frame.data, frame.ts);
      break;
    case "resync":
      position = null;
      handlers.resync();
      break;
    case "error":
      if (frame.code === "TOKEN_EXPIRED") renew().catch(() => {});
      break;
  }
}

function open() {
  clearTimeout(retryTimer);
  handlers.state("connecting");
  const previous = socket;
  const own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket = own;
  previous?.close();
  own.onopen = () => say({ type: "auth", token: accessToken() });
  own.onmessage = (message) => {
    if (socket === own) onFrame(JSON.parse(message.data));
  };
  own.onclose = async (event) => {
    if (socket !== own || !wanted) return;
    handlers.state("lost");
    if (event.code === UNAUTHORIZED) await renew().catch(() => {});
    if (!wanted) return;
    // A random part keeps a thousand dashboards from coming back in the same instant.
    retryTimer = setTimeout(open, retryMs * (0.5 + Math.random() / 2));
    retryMs = Math.min(RETRY_MAX_MS, retryMs * 2);
  };
}

/** Connects and stays connected. handlers: event(name, data, when), state("connecting"|"live"|"lost"),
 *  resync() when the lists must be read again. */
export function start(given) {
  handlers = given;
  wanted = true;
  position = null;
  hasConnected = false;
  open();
}

export function stop() {
  wanted = false;
  clearTimeout(retryTimer);
  socket?.close(1000);
  socket = null;
}

// A renewed token goes to the open connection, so that it outlives the old one.
onApi("token", (token) => say({ type: "auth", token }));

// The browser knows of a network that is back before any timer does.
window.addEventListener("online", () => {
  if (wanted && socket?.readyState !== WebSocket.OPEN) {
    retryMs = RETRY_MIN_MS;
    open();
  }
});
