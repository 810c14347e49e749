// The page that invitations link to: with an account one signs in and accepts, without one it is
// made by the invitation. Tokens are not kept: afterwards one signs in where one works.
const query = new URLSearchParams(location.search);
const token = query.get("token") ?? "";
const workspace = query.get("workspace") ?? "";
const byId = (id) => document.getElementById(id);
const state = byId("state");
const form = byId("form");

// The secret must not stay in the address bar, the history or a screenshot.
history.replaceState(null, "", location.pathname);

async function post(path, body, accessToken) {
  const headers = { "Content-Type": "application/json" };
  if (accessToken) {
    headers.Authorization = "Bearer " + accessToken;
  }
  try {
    const answer = await fetch("/api/v1/" + path, { method: "POST", headers, body: JSON.stringify(body) });
    return await answer.json();
  } catch {
    return { error: { message: "The server does not answer. Try again in a moment." } };
  }
}

function register() {
  return post("auth/register", {
    email: byId("email").value.trim(),
    fullName: byId("name").value.trim(),
    password: byId("password").value,
    inviteToken: token,
  });
}

async function accept() {
  const signedIn = await post("auth/login", {
    email: byId("email").value.trim(),
    password: byId("password").value,
    mfaCode: byId("code").value.trim() || undefined,
  });
  if (!signedIn.success) {
    byId("code-row").hidden = signedIn.error.code !== "MFA_REQUIRED" && byId("code-row").hidden;
    return signedIn;
  }
  return post(`workspaces/${encodeURIComponent(workspace)}/members/accept`, { token },
    signedIn.data.accessToken);
}

function choose() {
  const known = byId("known").checked;
  byId("name-row").hidden = known;
  byId("name").required = !known;
  byId("hint").hidden = known;
}

function words(error) {
  const details = (error.details ?? []).map((detail) => `${detail.field} ${detail.message}`);
  return details.length > 0 ? details.join("; ") + "." : error.message;
}

if (token === "") {
  state.textContent = "This link is not whole: open it from the mail.";
} else {
  form.hidden = false;
  byId("known").addEventListener("change", choose);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    const answer = byId("known").checked ? await accept() : await register();
    button.disabled = false;
    form.hidden = answer.success === true;
    state.textContent = answer.success ? "You are a member now. You can close this page." : words(answer.error);
  });
}
