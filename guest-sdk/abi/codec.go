package abi

type tables struct{}

func (b *Batch) Append(dst []byte) []byte       { panic("codec") }
func (b *Batch) Decode(src []byte) error        { panic("codec") }
// CheckBatch reports the number of records of a valid encoded batch.
func CheckBatch(src []byte) (records int, err error) { panic("codec") }
func (o *Outcome) Append(dst []byte) []byte     { panic("codec") }
func (o *OutcomeView) Decode(src []byte) error  { panic("codec") }
func (o *OutcomeView) Append(dst []byte) []byte { panic("codec") }
func (c DeviceChange) Append(dst []byte) []byte { panic("codec") }
func (c *DeviceChange) Decode(src []byte) error { panic("codec") }
func (t Timer) Append(dst []byte) []byte        { panic("codec") }
func (t *Timer) Decode(src []byte) error        { panic("codec") }
func (m *Message) Append(dst []byte) []byte     { panic("codec") }
func (m *Message) Decode(src []byte) error      { panic("codec") }
func (r *Reply) Append(dst []byte) []byte       { panic("codec") }
func (r *Reply) Decode(src []byte) error        { panic("codec") }
func (e *Events) Append(dst []byte) []byte      { panic("codec") }
func (e *Events) Decode(src []byte) error       { panic("codec") }
func (e *Error) Append(dst []byte) []byte       { panic("codec") }
func (e *Error) Decode(src []byte) error        { panic("codec") }
func (i OpenInput) Append(dst []byte) []byte    { panic("codec") }
func (i *OpenInput) Decode(src []byte) error    { panic("codec") }
func (i CloseInput) Append(dst []byte) []byte   { panic("codec") }
func (i *CloseInput) Decode(src []byte) error   { panic("codec") }
func (i PollInput) Append(dst []byte) []byte    { panic("codec") }
func (i *PollInput) Decode(src []byte) error    { panic("codec") }
func (r TestResult) Append(dst []byte) []byte   { panic("codec") }
func (r *TestResult) Decode(src []byte) error   { panic("codec") }
func (h Handle) Append(dst []byte) []byte       { panic("codec") }
func (h *Handle) Decode(src []byte) error       { panic("codec") }
func (r Receive) Append(dst []byte) []byte      { panic("codec") }
func (r *Receive) Decode(src []byte) error      { panic("codec") }
func (e Emitted) Append(dst []byte) []byte      { panic("codec") }
func (e *Emitted) Decode(src []byte) error      { panic("codec") }
func (l LogLine) Append(dst []byte) []byte      { panic("codec") }
func (l *LogLine) Decode(src []byte) error      { panic("codec") }
func (c ClockNow) Append(dst []byte) []byte     { panic("codec") }
func (c *ClockNow) Decode(src []byte) error     { panic("codec") }
func (c ClockSleep) Append(dst []byte) []byte   { panic("codec") }
func (c *ClockSleep) Decode(src []byte) error   { panic("codec") }
func (k KVKey) Append(dst []byte) []byte        { panic("codec") }
func (k *KVKey) Decode(src []byte) error        { panic("codec") }
func (k KVValue) Append(dst []byte) []byte      { panic("codec") }
func (k *KVValue) Decode(src []byte) error      { panic("codec") }
func (k KVPut) Append(dst []byte) []byte        { panic("codec") }
func (k *KVPut) Decode(src []byte) error        { panic("codec") }
func (s *SerialOpen) Append(dst []byte) []byte  { panic("codec") }
func (s *SerialOpen) Decode(src []byte) error   { panic("codec") }
func (s SerialWrite) Append(dst []byte) []byte  { panic("codec") }
func (s *SerialWrite) Decode(src []byte) error  { panic("codec") }
func (s SerialWritten) Append(dst []byte) []byte { panic("codec") }
func (s *SerialWritten) Decode(src []byte) error { panic("codec") }
func (f FileOpen) Append(dst []byte) []byte     { panic("codec") }
func (f *FileOpen) Decode(src []byte) error     { panic("codec") }
func (f FileRead) Append(dst []byte) []byte     { panic("codec") }
func (f *FileRead) Decode(src []byte) error     { panic("codec") }
func (f FileData) Append(dst []byte) []byte     { panic("codec") }
func (f *FileData) Decode(src []byte) error     { panic("codec") }

// ParseManifest reads and checks a manifest; every fault found is in the error.
func ParseManifest(src []byte) (*Manifest, error) { panic("codec") }
// Required lists the exports that kind, mode and entry_points claim.
func (m *Manifest) Required() []string { panic("codec") }
