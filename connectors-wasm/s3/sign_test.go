package main

import (
	"strings"
	"testing"
	"time"
)

// TestSignaturesOfThePublishedVectors: the examples of the documents
// "Signature Calculations for the Authorization Header" of S3, and those of the
// test suite of Signature Version 4.
func TestSignaturesOfThePublishedVectors(t *testing.T) {
	const none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	s3 := signer{accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: "s3"}
	suite := signer{accessKey: "AKIDEXAMPLE", secretKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", region: "us-east-1", service: "service"}
	s3Time := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	suiteTime := time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
	s3Headers := func(more ...string) map[string]string {
		h := map[string]string{"host": "examplebucket.s3.amazonaws.com", "x-amz-content-sha256": none, "x-amz-date": "20130524T000000Z"}
		for i := 0; i < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	suiteHeaders := map[string]string{"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
	const welcome = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
	for name, v := range map[string]struct {
		by   signer
		at   time.Time
		r    signed
		want string
	}{
		"GET object": {s3, s3Time, signed{"GET", "/test.txt", nil, s3Headers("range", "bytes=0-9"), none}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		"PUT object": {s3, s3Time, signed{"PUT", "/" + escape("test$file.text", true), nil, s3Headers(
			"date", "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class", "REDUCED_REDUNDANCY", "x-amz-content-sha256", welcome,
		), welcome}, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"},
		"GET bucket lifecycle":    {s3, s3Time, signed{"GET", "/", [][2]string{{"lifecycle", ""}}, s3Headers(), none}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
		"GET bucket list":         {s3, s3Time, signed{"GET", "/", [][2]string{{"prefix", "J"}, {"max-keys", "2"}}, s3Headers(), none}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
		"get-vanilla":             {suite, suiteTime, signed{"GET", "/", nil, suiteHeaders, none}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		"get-vanilla-query-order": {suite, suiteTime, signed{"GET", "/", [][2]string{{"Param2", "value2"}, {"Param1", "value1"}}, suiteHeaders, none}, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		"post-vanilla":            {suite, suiteTime, signed{"POST", "/", nil, suiteHeaders, none}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	} {
		got := v.by.authorization(v.r, v.at)
		if _, signature, _ := strings.Cut(got, "Signature="); signature != v.want {
			t.Errorf("%s: %s, want %s", name, signature, v.want)
		}
	}
}

func TestKeysAreEscapedAsTheSignatureWants(t *testing.T) {
	for text, want := range map[string]string{
		"a b/c+d.txt": "a%20b/c%2Bd.txt", "ä~_-.": "%C3%A4~_-.", "!*'()": "%21%2A%27%28%29", "": "",
	} {
		if got := escape(text, true); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	if got := escape("a/b", false); got != "a%2Fb" {
		t.Errorf("a slash in a query is %s", got)
	}
}
