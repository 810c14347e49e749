// The mailbox page: asks for the messages every two seconds and shows what is new.
const REFRESH_MS = 2000;
const at = (id) => document.getElementById(id);
let shown = "";
let chosen = null;

function link(html) {
  // Links open beside the mailbox.
  return html.replace("<head>", '<head><base target="_blank">');
}

function open(message) {
  chosen = message.id;
  at("message").hidden = false;
  at("subject").textContent = message.subject ?? "(no subject)";
  at("about").textContent = `${message.channel} to ${message.to}, ${new Date(message.sentAt).toLocaleString()}`;
  at("html").srcdoc = link(message.html ?? "");
  at("text").textContent = message.text ?? "";
  view(message.html ? "html" : "text");
  for (const button of at("list").querySelectorAll("button")) {
    button.setAttribute("aria-current", String(button.dataset.id === chosen));
  }
}

function view(name) {
  at("html").hidden = name !== "html";
  at("text").hidden = name !== "text";
  for (const button of at("views").children) {
    button.setAttribute("aria-pressed", String(button.dataset.view === name));
  }
}

function entry(message) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const subject = document.createElement("strong");
  const about = document.createElement("span");
  button.type = "button";
  button.dataset.id = message.id;
  subject.textContent = message.subject ?? message.text ?? "";
  about.textContent = `${message.to} · ${new Date(message.sentAt).toLocaleTimeString()}`;
  button.append(subject, about);
  button.setAttribute("aria-current", String(message.id === chosen));
  button.addEventListener("click", () => open(message));
  item.append(button);
  return item;
}

async function refresh() {
  const to = at("to").value.trim();
  const answer = await fetch("/dev/mailbox.json" + (to ? "?to=" + encodeURIComponent(to) : ""));
  const messages = await answer.json();
  const ids = messages.map((message) => message.id).join();
  if (ids === shown) return;
  shown = ids;
  at("list").replaceChildren(...messages.map(entry));
  if (!messages.some((message) => message.id === chosen)) {
    chosen = null;
    at("message").hidden = true;
    if (messages.length > 0) open(messages[0]);
  }
}

async function loop() {
  try {
    await refresh();
    at("state").textContent = "Messages that would have left this server. New ones appear by themselves.";
  } catch {
    at("state").textContent = "The server does not answer; asking again.";
  }
  setTimeout(loop, REFRESH_MS);
}

at("to").addEventListener("input", refresh);
at("clear").addEventListener("click", async () => {
  await fetch("/dev/mailbox", { method: "DELETE" });
  await refresh();
});
for (const button of at("views").children) {
  button.addEventListener("click", () => view(button.dataset.view));
}
loop();
