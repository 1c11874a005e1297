/** A request to the echo: its whole length, the length of the reply that it wants (u32, little-endian), and filling. */
export const ECHO_HEADER_BYTES = 8;
