-- Mails on their way to a mail server; core.mime makes the message.

return require("host.smtp")
