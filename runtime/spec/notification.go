package spec

import "time"

// NotificationPrefix begins the keys of staged writes that are no state of the guest
// but notifications: it has a NUL in it, as no key of a guest has. What follows
// names the notification among its connector's; the value is a Notice in JSON.
const NotificationPrefix = "\x00notify/"

// NoticeType is the content type of the event that tells of a notification; its
// payload is a Notice.
const NoticeType = "application/vnd.snaprail.notification+json"

// Notice is what a connector has to say to people.
type Notice struct {
	Severity string `json:"severity" enum:"info,warning,error,critical" doc:"How bad it is"`
	Title    string `json:"title" doc:"In one line"`
	Text     string `json:"text,omitempty" doc:"In full"`
	Key      string `json:"key" doc:"What it is about: one with the same key takes the place of the one before"`
}

// Notification is a notice that is kept until somebody has seen to it, and for a
// while longer.
type Notification struct {
	Notice

	ID        string    `json:"id" doc:"Id"`
	Connector string    `json:"connector" doc:"Id of the connector that told"`
	First     time.Time `json:"first" doc:"When it was told first, since it was acknowledged last"`
	Last      time.Time `json:"last" doc:"When it was told last"`
	Count     uint64    `json:"count" doc:"How often it was told since it was acknowledged last"`
	// Acknowledged is when somebody said that he has seen to it; zero: nobody has.
	Acknowledged   time.Time `json:"acknowledged,omitzero" doc:"When somebody acknowledged it"`
	AcknowledgedBy string    `json:"acknowledged_by,omitempty" doc:"Who did"`
}
