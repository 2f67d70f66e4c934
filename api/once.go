package api

// maxKey bounds an Idempotency-Key.
const maxKey = 255
