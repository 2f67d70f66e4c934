// memory.h is all the memory management that the guest needs: buffers that
// grow, and are kept from call to call.
#pragma once
#include "wire.h"

extern u8 __heap_base;

// buffer is memory that only grows. What it outgrew is not used again: as each
// one is at least twice the one before, that is less than what is in use.
typedef struct {
  u8 *at;
  u32 size;
} buffer;

// fresh takes memory from the end of what is in use.
static u8 *fresh(u32 size) {
  static u32 used;
  if (used == 0) used = (u32)(uintptr_t)&__heap_base;
  u64 end = ((u64)used + size + 15) & ~(u64)15;
  u64 have = (u64)__builtin_wasm_memory_size(0) << 16;
  if (end > have && __builtin_wasm_memory_grow(0, (u32)((end - have + 0xffff) >> 16)) == (size_t)-1) __builtin_trap();
  u8 *at = (u8 *)(uintptr_t)used;
  used = (u32)end;
  return at;
}

// reserve makes room for size bytes and keeps the first bytes of them.
static inline void reserve(buffer *b, u32 size, u32 keep) {
  if (size <= b->size) return;
  u32 room = b->size * 2 > size ? b->size * 2 : size;
  u8 *at = fresh(room < 4096 ? 4096 : room);
  if (keep) __builtin_memcpy(at, b->at, keep);
  b->at = at;
  b->size = room < 4096 ? 4096 : room;
}
