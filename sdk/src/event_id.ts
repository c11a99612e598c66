// Ids of events: UUIDv7 (RFC 9562), the time in milliseconds followed by 74 random bits. The store keeps events in the order of their
// ids and asks of each whether it is known: ids made at one time lie together, so that costs a look at its end and not at all of it.

/** The platform's random UUID with its first 48 bits and its version replaced; nothing in it is of a person or a device. */
export const eventId = (): string => {
  const at = (+new Date()).toString(16).padStart(12, "0");
  return `${at.slice(0, 8)}-${at.slice(8)}-7${crypto.randomUUID().slice(15)}`;
};
