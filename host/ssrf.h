/* ssrf.h - which network addresses a request on somebody else's behalf may reach.
 *
 * Pure: looks at the address of a socket, never at a name. Who asks right before connecting is
 * safe from names that resolve differently the next moment, and from odd spellings of numbers. */
#pragma once
#include <sys/socket.h>

enum address_scope {
    ADDRESS_PUBLIC, /* globally reachable unicast */
    ADDRESS_PRIVATE, /* loopback, private and shared networks: reachable where it is allowed */
    ADDRESS_SPECIAL, /* never: link-local (cloud metadata), multicast, unspecified, reserved,
                        documentation, tunnels that hide another address; any other family */
};

enum address_scope address_scope(const struct sockaddr *address);

/* The same for a numeric IPv4 or IPv6 address; what is none is ADDRESS_SPECIAL. */
enum address_scope address_scope_text(const char *text);
