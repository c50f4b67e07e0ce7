#pragma once
// What the compiler's builtin does, for Swift has none: a hint that this memory is about to be read and written.
static inline void weir_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }
