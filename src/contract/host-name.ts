/** RFC 1123, and the underscore that some use: also an address of IPv4. Nothing that a program could take for an option. */
export const HOST_NAME = /^[a-z0-9_][a-z0-9._-]{0,252}$/i;
