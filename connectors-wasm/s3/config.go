package main

import (
	"net/url"
	"strings"

	"github.com/snaprail/snaprail/guest-sdk/abi"
	snaprail "github.com/snaprail/snaprail/guest-sdk/go"
)

// settings are the config.
type settings struct {
	Bucket       string `json:"bucket"`
	AccessKey    string `json:"access_key"`
	SecretKey    string `json:"secret_key"`
	SessionToken string `json:"session_token"`
	Region       string `json:"region"`
	Endpoint     string `json:"endpoint"`
	PathStyle    *bool  `json:"path_style"`
}

// readConfig makes a bucket of the config.
func readConfig(in *abi.OpenInput) (bucket, error) {
	set := settings{Region: "us-east-1"}
	if err := snaprail.Config(in, &set); err != nil {
		return bucket{}, err
	}
	for _, required := range []struct{ name, value string }{
		{"bucket", set.Bucket}, {"access_key", set.AccessKey}, {"secret_key", set.SecretKey}, {"region", set.Region},
	} {
		if required.value == "" {
			return bucket{}, misconfigured(required.name + " is required")
		}
	}
	b := bucket{
		name: set.Bucket,
		signer: signer{
			accessKey: set.AccessKey, secretKey: set.SecretKey, token: set.SessionToken,
			region: set.Region, service: "s3",
		},
	}
	return b, b.locate(set)
}

// locate says where the bucket is: in the name of the host, or, at another
// endpoint than Amazon's and where a certificate could not cover the name, in
// the path.
func (b *bucket) locate(set settings) error {
	endpoint, inPath := set.Endpoint, set.Endpoint != "" || strings.Contains(set.Bucket, ".")
	if endpoint == "" {
		endpoint = "https://s3." + set.Region + ".amazonaws.com"
	}
	if set.PathStyle != nil {
		inPath = *set.PathStyle
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return misconfigured("endpoint must be like https://storage.example.com:9000")
	}
	b.scheme, b.host, b.root = u.Scheme, u.Host, "/"
	if inPath {
		b.root += escape(b.name, false) + "/"
	} else {
		b.host = b.name + "." + b.host
	}
	return nil
}

func misconfigured(text string) error {
	return &abi.Error{Kind: abi.FaultInvalid, Code: "invalid_config", Text: text, Hint: "The module's README says what the config may hold."}
}
