--- The mails about accounts; see services.notifications.template.

local NOT_ME = "If this was not you, change your password and sign out everywhere."

return {
  verify = {
    subject = "Confirm your address",
    paragraphs = { "Hello {{name}},",
      "please confirm that this address is yours. The link is good for 24 hours and for one use." },
    action = { label = "Confirm the address", url = "{{link}}" },
    note = "If you did not make an account with this address, ignore this mail.",
  },
  reset = {
    subject = "Choose a new password",
    paragraphs = { "Hello {{name}},",
      "somebody asked for a new password for your account. The link is good for one hour and for "
        .. "one use. Until you choose a new password, the old one stays." },
    action = { label = "Choose a new password", url = "{{link}}" },
    note = "If it was not you, ignore this mail: nothing has changed.",
  },
  invitation = {
    subject = "An invitation",
    paragraphs = { "Hello there,",
      "{{inviter}} invites you to {{workspace}} on Fixxit. The link is good for seven days and for "
        .. "one use." },
    action = { label = "Accept the invitation", url = "{{link}}" },
    note = "If you do not know who this is, ignore this mail: nothing happens without you.",
  },
  password_changed = {
    subject = "Your password was changed",
    paragraphs = { "Hello {{name}},",
      "the password of your account was changed, and all other sessions were ended." },
    note = NOT_ME,
  },
  factor_on = {
    subject = "Two-step sign-in is on",
    paragraphs = { "Hello {{name}},",
      "from now on signing in asks for a code of your authenticator app as well. Keep the recovery "
        .. "codes in a safe place." },
    note = NOT_ME,
  },
  factor_off = {
    subject = "Two-step sign-in is off",
    paragraphs = { "Hello {{name}},", "signing in asks for your password alone again." },
    note = NOT_ME,
  },
  export_ready = {
    subject = "Your data is ready",
    paragraphs = { "Hello {{name}},",
      "the copy of your data that you asked for is ready. You can download it in your account "
        .. "until {{until}}." },
  },
}
