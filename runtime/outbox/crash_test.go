package outbox

const childEnv = "SNAPRAIL_OUTBOX_TEST_CHILD"

func appendUntilKilled(string) int { return 0 }
