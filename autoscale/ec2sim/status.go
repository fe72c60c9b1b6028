package ec2sim

import "net/http"

// statusOf is the HTTP status of an error code; of most it is 400.
func statusOf(code string) int {
	switch code {
	case "RequestLimitExceeded", "Unavailable", "ServiceUnavailable":
		return http.StatusServiceUnavailable
	case "InternalError", "InternalFailure", "ServerInternal", "InsufficientInstanceCapacity", "ResourceContention":
		return http.StatusInternalServerError
	case "UnauthorizedOperation", "AccessDenied", "Blocked", "OptInRequired", "ExpiredToken", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return http.StatusForbidden
	case "AuthFailure":
		return http.StatusUnauthorized
	case "NoSuchHostedZone", "NoSuchChange":
		return http.StatusNotFound
	case "HostedZoneAlreadyExists":
		return http.StatusConflict
	case "DryRunOperation":
		return http.StatusPreconditionFailed
	}
	return http.StatusBadRequest
}
