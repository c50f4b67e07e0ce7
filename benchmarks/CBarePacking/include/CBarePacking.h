// The limit line of the compile benchmark: messages packed with libprotobuf-c and nothing else, from C structs that are filled
// before the clock starts.
#ifndef C_BARE_PACKING_H
#define C_BARE_PACKING_H

#include <stddef.h>
#include <stdint.h>

enum bare_packing_type {
  BARE_PACKING_CLUSTER,
  BARE_PACKING_ASSIGNMENT,
  BARE_PACKING_ROUTE_CONFIGURATION,
  BARE_PACKING_LISTENER,
};

struct bare_packing;

struct bare_packing *bare_packing_new(void);
void bare_packing_free(struct bare_packing *packing);

// Fills the structs of one message from its bytes. Returns 0 if they are not a message of the type.
int bare_packing_add(struct bare_packing *packing, enum bare_packing_type type, const uint8_t *bytes, size_t length);

size_t bare_packing_count(const struct bare_packing *packing);

// Packs each message, in the order in which they came, into memory of its own of exactly its size, which is kept until the
// structs are freed or packed again. Returns the sum of the sizes.
size_t bare_packing_pack(struct bare_packing *packing);

// Forgets what was packed.
void bare_packing_discard(struct bare_packing *packing);

// The packed bytes of a message.
const uint8_t *bare_packing_bytes(const struct bare_packing *packing, size_t index, size_t *length);

#endif
