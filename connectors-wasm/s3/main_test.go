package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	"github.com/snaprail/snaprail/guest-sdk/guesttest"
	"github.com/snaprail/snaprail/hostfns/peertest"
)

// rig is a guest that was opened on a storage.
func rig(t *testing.T) (*guesttest.Harness, *peertest.S3) {
	t.Helper()
	peer := peertest.NewS3()
	h := guesttest.New(t, &storage{})
	h.Web(peer)
	h.MustOpen(config(peer, ""))
	return h, peer
}

func config(peer *peertest.S3, more string) string {
	return fmt.Sprintf(`{"bucket":%q,"access_key":%q,"secret_key":%q,"region":%q,"endpoint":"http://storage.test:9000"%s}`,
		peer.Bucket, peer.AccessKey, peer.SecretKey, peer.Region, more)
}

func TestObjectsComeAndGo(t *testing.T) {
	h, peer := rig(t)
	put := func(path, data string) string {
		return h.MustOperate("put", fmt.Sprintf(`{"path":%q,"data":%q,"content_type":"text/plain"}`, path, base64.StdEncoding.EncodeToString([]byte(data))))
	}
	for path, data := range map[string]string{"reports/a b+c.txt": "one", "reports/ü!*'().txt": "two", "other": ""} {
		if got := put(path, data); !strings.Contains(got, fmt.Sprintf(`"size":%d`, len(data))) {
			t.Errorf("put answers %s", got)
		}
	}
	if got := peer.Objects(); len(got) != 3 || got["reports/ü!*'().txt"] != "two" || got["reports/a b+c.txt"] != "one" {
		t.Fatalf("the storage holds %v, and refused %q", got, peer.Refused())
	}
	var got object
	decode(t, h.MustOperate("get", `{"path":"reports/a b+c.txt"}`), &got)
	if string(got.Data) != "one" || got.ContentType != "text/plain" || got.ETag == "" {
		t.Errorf("get answers %+v", got)
	}
	decode(t, h.MustOperate("stat", `{"path":"reports/a b+c.txt"}`), &got)
	if got.Size != 3 || got.Modified == "" {
		t.Errorf("stat answers %+v", got)
	}
	var found listing
	decode(t, h.MustOperate("list", `{"prefix":"reports/"}`), &found)
	if len(found.Items) != 2 || found.Items[0].Path != "reports/a b+c.txt" || found.Items[0].Size != 3 || found.Truncated {
		t.Errorf("list answers %+v", found)
	}
	decode(t, h.MustOperate("list", `{"limit":1}`), &found)
	if len(found.Items) != 1 || !found.Truncated {
		t.Errorf("a short list is %+v", found)
	}
	h.MustOperate("delete", `{"path":"other"}`)
	if len(peer.Objects()) != 2 {
		t.Errorf("after a delete there are %v", peer.Objects())
	}
	if refused := peer.Refused(); len(refused) > 0 {
		t.Errorf("the storage refused %q", refused)
	}
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

func TestWhatIsNotThereAndWhatIsNoPath(t *testing.T) {
	h, _ := rig(t)
	for args, want := range map[string]string{
		`{"path":"nothing"}`: "no_such_path", `{"path":""}`: "bad_path", `{"path":"/a"}`: "bad_path",
		`{"path":"a/../b"}`: "bad_path", `{"path":"` + strings.Repeat("x", 1025) + `"}`: "bad_path", `{"path":1}`: "bad_arguments",
	} {
		_, err := h.Operate("get", args)
		var fault *abi.Error
		if !errors.As(err, &fault) || fault.Code != want {
			t.Errorf("%.40s: %v, want %s", args, err, want)
		}
	}
	if _, err := h.Operate("copy", `{"path":"a"}`); err == nil {
		t.Error("an operation that there is not was answered")
	}
}

// TestConnection: the test is a HEAD of the bucket, and says what is wrong.
func TestConnection(t *testing.T) {
	peer := peertest.NewS3()
	h := guesttest.New(t, &storage{})
	web := h.Web(peer)
	result, err := h.Test(config(peer, ""))
	if err != nil || !result.Success {
		t.Fatalf("%+v, %v; refused: %q", result, err, peer.Refused())
	}
	if asked := (*web.Asked)[0]; asked.Method != http.MethodHead || asked.URL != "http://storage.test:9000/plant-files" {
		t.Errorf("the test asked %s %s", asked.Method, asked.URL)
	}
	good := config(peer, "")
	for name, c := range map[string]struct{ config, want string }{
		"wrong secret":   {strings.Replace(good, peer.SecretKey, "x", 1), "the keys do not open"},
		"no such bucket": {strings.Replace(good, peer.Bucket, "elsewhere", 1), "no bucket elsewhere"},
		"no bucket":      {`{"access_key":"a","secret_key":"b"}`, "bucket is required"},
		"no access key":  {`{"bucket":"abc","secret_key":"b"}`, "access_key is required"},
		"no secret key":  {`{"bucket":"abc","access_key":"a"}`, "secret_key is required"},
		"bad endpoint":   {`{"bucket":"abc","access_key":"a","secret_key":"b","endpoint":"ftp://x"}`, "endpoint"},
	} {
		result, err := h.Test(c.config)
		if err != nil || result.Success || !strings.Contains(result.Message, c.want) {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		if strings.Contains(result.Message, peer.SecretKey) {
			t.Errorf("%s: the message holds the key", name)
		}
	}
}

// TestWhereTheBucketIs: Amazon's has its name in the host's, others in the path.
func TestWhereTheBucketIs(t *testing.T) {
	for more, want := range map[string]string{
		`"bucket":"abc"`:                                                "https://abc.s3.us-east-1.amazonaws.com/",
		`"bucket":"abc","region":"eu-west-1"`:                           "https://abc.s3.eu-west-1.amazonaws.com/",
		`"bucket":"a.b.c"`:                                              "https://s3.us-east-1.amazonaws.com/a.b.c/",
		`"bucket":"abc","endpoint":"https://m:9000"`:                    "https://m:9000/abc/",
		`"bucket":"abc","endpoint":"https://m:9000","path_style":false`: "https://abc.m:9000/",
	} {
		b, err := readConfig(&abi.OpenInput{Config: []byte(`{"access_key":"a","secret_key":"b",` + more + `}`)})
		if got := b.scheme + "://" + b.host + b.root; err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", more, got, err, want)
		}
	}
}

// TestWrongRegionIsNamed: Amazon says where the bucket is.
func TestWrongRegionIsNamed(t *testing.T) {
	h := guesttest.New(t, &storage{})
	h.Web(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amz-Bucket-Region", "eu-west-1")
		w.WriteHeader(http.StatusMovedPermanently)
	}))
	result, err := h.Test(`{"bucket":"abc","access_key":"a","secret_key":"b"}`)
	if err != nil || result.Success || !strings.Contains(result.Message, "eu-west-1") {
		t.Errorf("%+v, %v", result, err)
	}
}
