// asextism counts words, in AssemblyScript, as an Extism plugin with bindings
// of its own.
import { count } from "./tally";
export { stop } from "./tally";

@external("extism:host/env", "input_length") declare function input_length(): u64;
@external("extism:host/env", "input_load_u8") declare function input_load_u8(at: u64): u32;
@external("extism:host/env", "alloc") declare function alloc(size: u64): u64;
@external("extism:host/env", "store_u8") declare function store_u8(at: u64, value: u32): void;
@external("extism:host/env", "output_set") declare function output_set(at: u64, size: u64): void;

export function tally(): i32 {
  const bytes = new Uint8Array(<i32>input_length());
  for (let i = 0; i < bytes.length; i++) bytes[i] = <u8>input_load_u8(i);
  const out = Uint8Array.wrap(String.UTF8.encode(count(String.UTF8.decode(bytes.buffer))));
  const at = alloc(out.length);
  for (let i = 0; i < out.length; i++) store_u8(at + i, out[i]);
  output_set(at, out.length);
  return 0;
}
