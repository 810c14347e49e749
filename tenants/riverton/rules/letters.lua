-- What a technician reads when work is theirs.

template("workorder.assigned", "email", {
  subject = "{{workorder.number}} is yours",
  body = "{{workorder.title}}\n\nOpen it in Fixxit to accept it or to say why not.",
})
