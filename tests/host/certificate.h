/* certificate.h - a certificate of one's own, which only those trust who are told to. */
#pragma once
#include "check.h"
#include "servers.h"

/* Writes key.pem and cert.pem for the host `name` into the folder of servers.h. */
static inline void certificate_make(const char *name)
{
    char subject[128], alternative[128], key[128], cert[128];
    int status = 0;
    snprintf(subject, sizeof(subject), "/CN=%s", name);
    snprintf(alternative, sizeof(alternative), "subjectAltName=DNS:%s", name);
    strcpy(key, servers_path("key.pem"));
    strcpy(cert, servers_path("cert.pem"));
    char *argv[] = {(char *)"openssl",
                    (char *)"req",
                    (char *)"-x509",
                    (char *)"-newkey",
                    (char *)"rsa:2048",
                    (char *)"-nodes",
                    (char *)"-keyout",
                    key,
                    (char *)"-out",
                    cert,
                    (char *)"-days",
                    (char *)"2",
                    (char *)"-subj",
                    subject,
                    (char *)"-addext",
                    alternative,
                    NULL};
    CHECK(waitpid(servers_spawn(argv), &status, 0) > 0 && status == 0);
}
