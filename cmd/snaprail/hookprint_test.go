package main

import "testing"

func TestAddressesToEnterHaveNoStarsAtTheirEnd(t *testing.T) {
	for pattern, want := range map[string]string{
		"http://a/hooks/con_1/**":        "http://a/hooks/con_1/ (and all below it)",
		"http://a/hooks/con_1/orders/**": "http://a/hooks/con_1/orders/ (and all below it)",
		"http://a/hooks/con_1/orders/*":  "http://a/hooks/con_1/orders/*",
		"http://a/hooks/con_1/github":    "http://a/hooks/con_1/github",
	} {
		if got := addressToEnter(pattern); got != want {
			t.Errorf("%s: %s, want %s", pattern, got, want)
		}
	}
}
