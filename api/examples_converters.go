package api

// converterExamples are those of converters.
func converterExamples() map[string]string {
	return map[string]string{
		"put-type-converter": `{"module": "5d9e3b173a70", "config": {"fields": [{"name": "temperature", "from": 0, "to": 2, "type": "int"}]}}`,
		"preview-converter":  `{"connector": "roof", "converter": {"module": "5d9e3b173a70", "config": {"fields": [{"name": "temperature", "from": 0, "to": 2, "type": "int", "unit": "Cel"}]}}, "samples": [{"device": "roof", "payload": "422498\n"}], "newest": 10}`,
	}
}
