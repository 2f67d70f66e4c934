package wire

// The numbers of the properties of MQTT 5.
const (
	propPayloadFormat   = 1
	propExpiry          = 2
	propContentType     = 3
	propResponseTopic   = 8
	propCorrelation     = 9
	propSubscription    = 11
	propSessionExpiry   = 17
	propAssignedID      = 18
	propServerKeepAlive = 19
	propAuthMethod      = 21
	propAuthData        = 22
	propRequestProblem  = 23
	propWillDelay       = 24
	propRequestResponse = 25
	propResponseInfo    = 26
	propServerReference = 28
	propReasonString    = 31
	propReceiveMaximum  = 33
	propAliasMaximum    = 34
	propTopicAlias      = 35
	propMaximumQoS      = 36
	propRetainAvailable = 37
	propUser            = 38
	propMaximumPacket   = 39
	propWildcards       = 40
	propSubscriptionIDs = 41
	propShared          = 42
)

// maxUsers bounds the properties that a user has made up, of one packet.
const maxUsers = 1024

// properties reads the properties of a packet.
func (c *cursor) properties(p *Properties) {
	in := cursor{src: c.take(c.number())}
	if c.err != nil {
		return
	}
	var seen uint64
	for len(in.src) > 0 && in.err == nil {
		id := in.number()
		if id > 63 {
			in.fail("the property %d", id)
			break
		}
		if repeated := seen&(1<<id) != 0; repeated && id != propUser && id != propSubscription {
			in.fail("the property %d twice", id)
		}
		seen |= 1 << id
		in.property(id, p)
	}
	if in.err != nil {
		c.err, c.src = in.err, nil
	}
}

// property reads one.
func (c *cursor) property(id int, p *Properties) {
	switch id {
	case propPayloadFormat, propRequestProblem, propRequestResponse, propSubscriptionIDs:
		c.byte()
	case propMaximumQoS:
		p.MaximumQoS = new(c.byte())
	case propRetainAvailable:
		p.NoRetain = c.byte() == 0
	case propWildcards:
		p.NoWildcards = c.byte() == 0
	case propShared:
		p.NoShared = c.byte() == 0
	case propServerKeepAlive:
		p.ServerKeepAlive = new(c.word())
	case propReceiveMaximum:
		if p.ReceiveMaximum = c.word(); p.ReceiveMaximum == 0 {
			c.fail("a receive maximum of 0")
		}
	case propAliasMaximum:
		c.word()
	case propTopicAlias:
		if p.TopicAlias = c.word(); p.TopicAlias == 0 {
			c.fail("a topic alias of 0")
		}
	case propExpiry:
		p.Expiry = new(c.long())
	case propSessionExpiry:
		p.SessionExpiry = new(c.long())
	case propWillDelay:
		c.long()
	case propMaximumPacket:
		if p.MaximumPacket = c.long(); p.MaximumPacket == 0 {
			c.fail("a maximum packet size of 0")
		}
	case propSubscription:
		c.number()
	default:
		c.textual(id, p)
	}
}

// textual reads one that is a text, or bytes.
func (c *cursor) textual(id int, p *Properties) {
	switch id {
	case propContentType:
		p.ContentType = c.text()
	case propResponseTopic:
		p.ResponseTopic = c.text()
	case propAssignedID:
		p.AssignedID = c.text()
	case propServerReference:
		p.ServerReference = c.text()
	case propReasonString:
		p.ReasonString = c.text()
	case propResponseInfo, propAuthMethod:
		c.text()
	case propAuthData:
		c.binary()
	case propCorrelation:
		p.CorrelationData = append([]byte(nil), c.binary()...)
	case propUser:
		u := User{Name: c.text(), Value: c.text()}
		if len(p.User) >= maxUsers {
			c.fail("more than %d user properties", maxUsers)
			return
		}
		p.User = append(p.User, u)
	default:
		c.fail("the property %d", id)
	}
}
