package ec2sim

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// askJSON makes one request of SSM's.
func askJSON(s *Sim, action, body string) (int, string) {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonSSM."+action)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestCommands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{BootTime: time.Second, Command: func(ctx context.Context, i Instance, c Command) (int, string, string) {
			select {
			case <-ctx.Done():
				return 1, "", "too late"
			case <-time.After(time.Duration(len(c.Parameters["commands"])) * time.Minute):
			}
			return 3, i.Hostname() + ": " + c.Parameters["commands"][0], "oh"
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		is, _ := s.Launch(2, map[string]string{"rondo:group": "web"})
		f := func(action, body string, wants ...string) string {
			t.Helper()
			_, got := askJSON(s, action, body)
			for _, want := range wants {
				if !strings.Contains(got, want) {
					t.Errorf("%s %s:\n%s\nwant %s", action, body, got, want)
				}
			}
			return got
		}
		send := `{"DocumentName":"AWS-RunShellScript","InstanceIds":["` + is[0].ID + `"],"Parameters":{"commands":["uptime"]}}`
		f("SendCommand", send, `"__type":"InvalidInstanceId"`) // it does not run yet
		time.Sleep(2 * time.Second)
		var sent sendResult
		if err := json.Unmarshal([]byte(f("SendCommand", send, `"Status":"Pending"`)), &sent); err != nil {
			t.Fatal(err)
		}
		of := `{"CommandId":"` + sent.Command.ID + `","InstanceId":"` + is[0].ID + `"}`
		synctest.Wait()
		f("GetCommandInvocation", of, `"Status":"InProgress"`, `"ResponseCode":-1`)
		time.Sleep(61 * time.Second)
		f("GetCommandInvocation", of, `"Status":"Failed"`, `"ResponseCode":3`, `"StandardOutputContent":"ip-10-0-1-4: uptime"`, `"StandardErrorContent":"oh"`)
		f("SendCommand", `{"DocumentName":"d","Targets":[{"Key":"tag:rondo:group","Values":["web"]}],"Parameters":{"commands":["a","b"]},"TimeoutSeconds":60}`, `"TargetCount":2`)
		time.Sleep(2 * time.Minute)
		f("ListCommandInvocations", `{}`, `"Status":"TimedOut"`)
		f("GetCommandInvocation", `{"CommandId":"x"}`, `"__type":"InvocationDoesNotExist"`)
		f("SendCommand", `{"InstanceIds":7}`, `"__type":"SerializationException"`)
		f("SendCommand", `{}`, `"__type":"InvalidDocument"`)
		f("Reboot", `{}`, `"__type":"InvalidAction"`)
		if got := s.Commands(); len(got) != 3 {
			t.Errorf("%d commands are recorded, want 3", len(got))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestParameters(t *testing.T) {
	t.Parallel()
	s := New(Options{})
	f := func(action, body, want string) {
		t.Helper()
		if _, got := askJSON(s, action, body); !strings.Contains(got, want) {
			t.Errorf("%s %s:\n%s\nwant %s", action, body, got, want)
		}
	}
	f("GetParameter", `{"Name":"`+amiAlias+`x86_64"}`, `"Value":"ami-00000000000000002"`)
	f("GetParameter", `{"Name":"/none"}`, `"__type":"ParameterNotFound"`)
	f("PutParameter", `{"Name":"/web/ami","Value":"ami-7","Type":"String"}`, `"Version":1`)
	f("PutParameter", `{"Name":"/web/ami","Value":"ami-8"}`, `"__type":"ParameterAlreadyExists"`)
	f("PutParameter", `{"Name":"/web/ami","Value":"ami-8","Overwrite":true}`, `"Version":2`)
	f("GetParameters", `{"Names":["/web/ami","/no"]}`, `"InvalidParameters":["/no"]`)
	f("GetParametersByPath", `{"Path":"/web"}`, `"Name":"/web/ami"`)
	f("GetParametersByPath", `{"Path":"/aws"}`, `{"Parameters":[]}`)
	f("GetParametersByPath", `{"Path":"/aws","Recursive":true}`, `"Name":"`+amiAlias+`arm64"`)
	ec2 := wants(t, s, version)
	ec2("RunInstances", "ImageId=resolve:ssm:/web/ami MinCount=1 MaxCount=1", "<imageId>ami-8<")
	ec2("RunInstances", "ImageId=resolve:ssm:/none MinCount=1 MaxCount=1", "<Code>InvalidParameterValue</Code>")
}

// FuzzJSON: no request of SSM's does worse than an error.
func FuzzJSON(f *testing.F) {
	f.Add("SendCommand", `{"DocumentName":"d","Targets":[{"Key":"InstanceIds","Values":["*"]}],"TimeoutSeconds":60}`)
	f.Add("GetCommandInvocation", `{"CommandId":"x","InstanceId":"i-1"}`)
	f.Add("GetParametersByPath", `{"Path":"/","Recursive":true}`)
	f.Add("PutParameter", `{"Name":"/a","Value":"b"}`)
	f.Fuzz(func(t *testing.T, action, body string) {
		s := New(Options{Max: 5})
		if _, err := s.Launch(1, nil); err != nil {
			t.Fatal(err)
		}
		s.advance(time.Now().Add(time.Minute), func(Instance) {})
		status, got := askJSON(s, action, body)
		if status >= 500 || !json.Valid([]byte(got)) {
			t.Errorf("%s %s: %d %s", action, body, status, got)
		}
	})
}
