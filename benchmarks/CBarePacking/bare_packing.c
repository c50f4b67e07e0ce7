#include "CBarePacking.h"

#include <stdlib.h>
#include <string.h>

#include "CWeirProtos.h"

struct bare_message {
  ProtobufCMessage *structs;
  uint8_t *packed;
  size_t length;
};

struct bare_packing {
  struct bare_message *messages;
  size_t count;
  size_t capacity;
};

static const ProtobufCMessageDescriptor *descriptor(enum bare_packing_type type) {
  switch (type) {
    case BARE_PACKING_CLUSTER: return &envoy__config__cluster__v3__cluster__descriptor;
    case BARE_PACKING_ASSIGNMENT: return &envoy__config__endpoint__v3__cluster_load_assignment__descriptor;
    case BARE_PACKING_ROUTE_CONFIGURATION: return &envoy__config__route__v3__route_configuration__descriptor;
    case BARE_PACKING_LISTENER: return &envoy__config__listener__v3__listener__descriptor;
  }
  return NULL;
}

struct bare_packing *bare_packing_new(void) { return calloc(1, sizeof(struct bare_packing)); }

void bare_packing_free(struct bare_packing *packing) {
  if (packing == NULL) return;
  bare_packing_discard(packing);
  for (size_t i = 0; i < packing->count; i++) protobuf_c_message_free_unpacked(packing->messages[i].structs, NULL);
  free(packing->messages);
  free(packing);
}

int bare_packing_add(struct bare_packing *packing, enum bare_packing_type type, const uint8_t *bytes, size_t length) {
  if (packing->count == packing->capacity) {
    size_t capacity = packing->capacity == 0 ? 1024 : packing->capacity * 2;
    struct bare_message *messages = realloc(packing->messages, capacity * sizeof(struct bare_message));
    if (messages == NULL) return 0;
    packing->messages = messages;
    packing->capacity = capacity;
  }
  ProtobufCMessage *structs = protobuf_c_message_unpack(descriptor(type), NULL, length, bytes);
  if (structs == NULL) return 0;
  packing->messages[packing->count++] = (struct bare_message){.structs = structs};
  return 1;
}

size_t bare_packing_count(const struct bare_packing *packing) { return packing->count; }

size_t bare_packing_pack(struct bare_packing *packing) {
  size_t sum = 0;
  for (size_t i = 0; i < packing->count; i++) {
    struct bare_message *message = &packing->messages[i];
    size_t size = protobuf_c_message_get_packed_size(message->structs);
    free(message->packed);
    message->packed = malloc(size);
    if (message->packed == NULL) abort();
    message->length = protobuf_c_message_pack(message->structs, message->packed);
    sum += message->length;
  }
  return sum;
}

void bare_packing_discard(struct bare_packing *packing) {
  for (size_t i = 0; i < packing->count; i++) {
    free(packing->messages[i].packed);
    packing->messages[i].packed = NULL;
    packing->messages[i].length = 0;
  }
}

const uint8_t *bare_packing_bytes(const struct bare_packing *packing, size_t index, size_t *length) {
  *length = packing->messages[index].length;
  return packing->messages[index].packed;
}
