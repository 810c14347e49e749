// The pages that mails link to: /verify-email and /reset-password. What a frontend of its own does
// (http.frontend_url) it does with the same two calls.
const token = new URLSearchParams(location.search).get("token") ?? "";
const state = document.getElementById("state");

// The secret must not stay in the address bar, the history or a screenshot.
history.replaceState(null, "", location.pathname);

async function post(path, body) {
  try {
    const answer = await fetch("/api/v1/auth/" + path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return answer.ok ? null : (await answer.json()).error;
  } catch {
    return { message: "The server does not answer. Try again in a moment." };
  }
}

async function verify() {
  const problem = await post("verify-email", { token });
  state.textContent = problem ? problem.message : "Your address is confirmed. You can close this page.";
}

function ask() {
  const form = document.getElementById("ask");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = await post("forgot-password", { email: document.getElementById("email").value.trim() });
    form.hidden = !problem;
    state.textContent = problem ? problem.message : "If there is an account with this address, a mail is on its way.";
  });
}

function reset() {
  if (!token) {
    ask();
    return;
  }
  const form = document.getElementById("form");
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    const problem = await post("reset-password", { token, password: document.getElementById("password").value });
    button.disabled = false;
    form.hidden = !problem;
    const detail = problem?.details?.find((entry) => entry.field === "password");
    state.textContent = !problem ? "Your password is changed. Sign in with the new one."
      : detail ? `The password ${detail.message}.` : problem.message;
  });
}

({ verify, reset })[document.body.dataset.page]();
