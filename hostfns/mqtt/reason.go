package mqtt

import (
	"fmt"

	"github.com/snaprail/snaprail/hostfns/mqtt/wire"
	"github.com/snaprail/snaprail/runtime/fault"
)

// The reason codes of MQTT 5 that mean something here.
const (
	reasonWithWill      = 0x04 // of a DISCONNECT of ours
	reasonProtocol      = 0x82
	reasonVersion       = 0x84
	reasonClientID      = 0x85
	reasonLogin         = 0x86
	reasonNotAuthorized = 0x87
	reasonUnavailable   = 0x88
	reasonBusy          = 0x89
	reasonTakenOver     = 0x8e
	reasonInUse         = 0x91
	reasonUnknownID     = 0x92
	reasonTooLarge      = 0x95
	reasonQuota         = 0x97
	reasonOtherServer   = 0x9c
	reasonServerMoved   = 0x9d
	reasonRate          = 0x9f
)

// words are the names of the reason codes of MQTT 5.
func words() map[byte]string {
	return map[byte]string{
		0x80: "unspecified_error", 0x81: "malformed_packet", reasonProtocol: "protocol_error", 0x83: "implementation_specific_error",
		reasonVersion: "unsupported_protocol_version", reasonClientID: "client_identifier_not_valid", reasonLogin: "bad_user_name_or_password",
		reasonNotAuthorized: "not_authorized", reasonUnavailable: "server_unavailable", reasonBusy: "server_busy", 0x8a: "banned",
		0x8b: "server_shutting_down", 0x8c: "bad_authentication_method", 0x8d: "keep_alive_timeout", reasonTakenOver: "session_taken_over",
		0x8f: "topic_filter_invalid", 0x90: "topic_name_invalid", reasonInUse: "packet_identifier_in_use", reasonUnknownID: "packet_identifier_not_found",
		0x93: "receive_maximum_exceeded", 0x94: "topic_alias_invalid", reasonTooLarge: "packet_too_large", 0x96: "message_rate_too_high",
		reasonQuota: "quota_exceeded", 0x98: "administrative_action", 0x99: "payload_format_invalid", 0x9a: "retain_not_supported",
		0x9b: "qos_not_supported", reasonOtherServer: "use_another_server", reasonServerMoved: "server_moved",
		0x9e: "shared_subscriptions_not_supported", reasonRate: "connection_rate_exceeded", 0xa0: "maximum_connect_time",
		0xa1: "subscription_identifiers_not_supported", 0xa2: "wildcard_subscriptions_not_supported",
	}
}

// wordOf is the name of a reason code.
func wordOf(reason byte) string {
	if w, ok := words()[reason]; ok {
		return w
	}
	return fmt.Sprintf("reason_%#02x", reason)
}

// said is a reason code in words, with those of the broker.
func said(reason byte, text string) string {
	if text == "" {
		return wordOf(reason)
	}
	return wordOf(reason) + " (" + fault.Clip(text, maxReason) + ")"
}

// maxReason bounds what is told of a broker's own words, in bytes.
const maxReason = 256

// code5 is the reason code of MQTT 5 for a return code of MQTT 3.1.1.
func code5(p *wire.Packet, version byte) byte {
	if version == wire.V5 || p.Reason == 0 {
		return p.Reason
	}
	switch p.Reason {
	case 1:
		return reasonVersion
	case 2:
		return reasonClientID
	case 3:
		return reasonUnavailable
	case 4:
		return reasonLogin
	case 5:
		return reasonNotAuthorized
	}
	return 0x80
}

// refused is the fault of a CONNACK that lets nobody in.
func refused(reason byte, p *wire.Properties) *fault.Fault {
	text := said(reason, p.ReasonString)
	switch reason {
	case reasonVersion, 0x81, reasonProtocol:
		return fault.New(fault.ConfigInvalid, "the broker says %s", text).
			WithHint("Set the version of MQTT that the broker speaks: 4 is MQTT 3.1.1.")
	case reasonClientID:
		return fault.New(fault.ConfigInvalid, "the broker says %s", text).
			WithHint("Name another client id; some brokers want one, of letters and digits.")
	case reasonLogin, reasonNotAuthorized, 0x8a, 0x8c:
		return fault.New(fault.ConfigInvalid, "the broker does not let the client in: %s", text).
			WithHint("Check the user name, the password, the client id and the client's certificate.")
	case reasonOtherServer, reasonServerMoved:
		other := fault.Clip(p.ServerReference, maxReason)
		return fault.New(fault.ConfigInvalid, "the broker says %s, and refers to %q", text, other).
			WithHint("References are not followed: set the URL of the other broker, and grant it, if it is to be trusted.")
	case reasonUnavailable, reasonBusy, 0x8b, reasonQuota, reasonRate:
		return fault.New(fault.ResourceUnavailable, "the broker says %s", text).WithHint("Try again later.")
	}
	return fault.New(fault.ConfigInvalid, "the broker says %s", text)
}

// mayRepeat reports whether a message that was refused for this reason may be
// taken later.
func mayRepeat(reason byte) bool {
	switch reason {
	case 0x80, 0x83, reasonBusy, reasonUnavailable, reasonInUse, 0x93, 0x96, reasonQuota:
		return true
	}
	return false
}
