/* jail_profile.h - how a profile is written down. For jail.c and jail_profiles.c only. */
#pragma once
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* A call that is allowed, or answered otherwise, under a condition on its arguments. */
struct jail_rule {
    uint32_t action;
    int call;
    unsigned count; /* conditions that must all hold; 0: always */
    struct scmp_arg_cmp condition[2];
};

struct jail_profile {
    const int *calls; /* allowed whatever their arguments are */
    size_t calls_count;
    const struct jail_rule *rules;
    size_t rules_count;
    int self_call; /* allowed with our pid as its first argument, or -1 */
};
