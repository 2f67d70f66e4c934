// cdevice is a device for the host's tests that run a thousand of them, each in a
// lane of its own: in C without a library, because such a guest takes one page of
// memory. It answers a remote procedure call at once with its own parameters, and
// one device is silent: its calls wait until their deadline is over. That is the
// one whose lane, or the message's device if there is one lane for all, is the
// config's "silent", or begins with that word.
#include <stddef.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;

typedef struct {
  const u8 *at;
  u32 size;
} text;

IMPORT("snaprail:clock", "sleep") u64 clock_sleep(const u8 *at, u32 size, u8 *out, u32 cap);

static u8 input[16 << 10], output[17 << 10];
static u8 kept[256]; // the lane, then the silent device
static text lane, silent;

EXPORT("snaprail_alloc") u8 *allocate(int32_t n) { return n < 0 || (u32)n > sizeof input ? NULL : input; }

// number reads a varint and moves on; what is cut off reads as 0 at the end.
static u64 number(text *in) {
  u64 n = 0;
  for (u32 shift = 0; in->size && shift < 64; shift += 7) {
    u8 b = *in->at++;
    in->size--;
    n |= (u64)(b & 0x7f) << shift;
    if (b < 0x80) return n;
  }
  in->size = 0;
  return 0;
}

// field finds the last field of this number that holds bytes.
static text field(text in, u32 want) {
  text found = {0};
  while (in.size) {
    u64 tag = number(&in), n = 0;
    switch (tag & 7) {
    case 0: number(&in); continue;
    case 1: n = 8; break;
    case 2: n = number(&in); break;
    case 5: n = 4; break;
    default: return found;
    }
    if (n > in.size) return found;
    if ((tag & 7) == 2 && tag >> 3 == want) found = (text){in.at, (u32)n};
    in.at += n, in.size -= (u32)n;
  }
  return found;
}

static int begins(text t, const char *s) {
  for (u32 i = 0; s[i]; i++)
    if (i >= t.size || t.at[i] != (u8)s[i]) return 0;
  return 1;
}

static int same(text a, text b) {
  if (a.size != b.size) return 0;
  for (u32 i = 0; i < a.size; i++)
    if (a.at[i] != b.at[i]) return 0;
  return 1;
}

// value is the text that a JSON object has under a key: enough for a config of
// one key.
static text value(text json, const char *key) {
  u32 skip = 0;
  while (key[skip]) skip++;
  for (; json.size; json.at++, json.size--) {
    if (!begins(json, key)) continue;
    text rest = {json.at + skip, json.size - skip};
    while (rest.size && (*rest.at == ' ' || *rest.at == ':')) rest.at++, rest.size--;
    if (!rest.size || *rest.at != '"') continue;
    text found = {++rest.at, 0};
    while (found.size + 1 < rest.size && found.at[found.size] != '"') found.size++;
    return found;
  }
  return (text){0};
}

// keep copies a text, cut to half of the room, out of the input.
static text keep(text t, u32 from) {
  u32 n = t.size < sizeof kept / 2 ? t.size : sizeof kept / 2;
  for (u32 i = 0; i < n; i++) kept[from + i] = t.at[i];
  return (text){kept + from, n};
}

EXPORT("open") u64 open(const u8 *at, u32 size) {
  text in = {at, size};
  lane = keep(field(in, 7), 0);
  silent = keep(value(field(in, 2), "\"silent\""), sizeof kept / 2);
  return 0;
}

EXPORT("on_events") u64 on_events(const u8 *at, u32 size) {
  (void)at, (void)size;
  return 0;
}

static u8 *put_number(u8 *to, u64 n) {
  for (; n >= 0x80; n >>= 7) *to++ = (u8)(n | 0x80);
  *to++ = (u8)n;
  return to;
}

static u8 *put(u8 *to, u32 number, text t) {
  *to++ = (u8)(number << 3 | 2);
  to = put_number(to, t.size);
  for (u32 i = 0; i < t.size; i++) *to++ = t.at[i];
  return to;
}

static u32 length(text t) { return t.size ? t.size + (t.size < 0x80 ? 2 : t.size < 0x4000 ? 3 : 4) : 0; }

// reply is an Outcome with one Reply.
static u64 reply(text correlation, text type, text body) {
  u8 *to = output;
  *to++ = 6 << 3 | 2;
  to = put_number(to, length(correlation) + length(type) + length(body));
  if (correlation.size) to = put(to, 1, correlation);
  if (type.size) to = put(to, 3, type);
  if (body.size) to = put(to, 4, body);
  return (u64)(uintptr_t)output << 32 | (u64)(to - output);
}

EXPORT("on_rpc") u64 on_rpc(const u8 *at, u32 size) {
  text in = {at, size}, correlation = field(in, 2), body = field(in, 6);
  text self = lane.size ? lane : field(in, 3);
  if (begins(self, "silent") || (silent.size && same(self, silent))) {
    // A wait that would cross the deadline is refused, so it waits in short ones.
    u8 request[11] = {1 << 3};
    const u8 *end = put_number(request + 1, 20ull * 1000 * 1000); // in ns
    while (!(clock_sleep(request, (u32)(end - request), output, sizeof output) >> 63)) continue;
  }
  if (!correlation.size) return 0;
  return reply(correlation, field(in, 5), body);
}
