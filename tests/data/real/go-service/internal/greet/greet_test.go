package greet

import (
	"net/http/httptest"
	"testing"
)

func TestHandler(t *testing.T) {
	answer := httptest.NewRecorder()
	Handler("Hi").ServeHTTP(answer, httptest.NewRequest("GET", "/you", nil))
	if got := answer.Body.String(); got != "Hi, you!\n" {
		t.Errorf("answered %q", got)
	}
}
