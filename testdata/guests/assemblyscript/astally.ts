// astally counts words, in AssemblyScript with its garbage collector, through
// the direct ABI.
import { count } from "./tally";
export { stop } from "./tally";

// The input is outside of the collector's memory; the output is held here.
let input: usize = 0;
let output: ArrayBuffer = new ArrayBuffer(0);

export function snaprail_alloc(n: i32): usize {
  if (n < 0) return 0;
  if (input) heap.free(input);
  input = heap.alloc(n);
  return input;
}

export function tally(at: usize, size: u32): u64 {
  output = String.UTF8.encode(count(String.UTF8.decodeUnsafe(at, size)));
  return (<u64>changetype<usize>(output) << 32) | output.byteLength;
}
