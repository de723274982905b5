-- Prosody as a server that federates, on loopback. Names between @ are filled in by federated.py.
-- Each of its hosts says itself what it shows and whom it believes; what is the same for all stands here.

run_as_root = true
daemonize = false
pidfile = "@HOME@/pid"
data_path = "@HOME@/data"
interfaces = { "127.0.0.1" }
c2s_ports = { @C2S@ }
c2s_direct_tls_ports = {}
s2s_ports = { @S2S@ }
s2s_direct_tls_ports = { @DIRECT@ }
s2s_direct_tls_ssl = { certificate = "@CERTIFICATES@/@OWN@.crt", key = "@CERTIFICATES@/@OWN@.key" }
http_ports = {}
https_ports = {}
use_ipv6 = false

-- libunbound wants to be told that a resolver on this machine may be asked.
unbound = {
  resolvconf = false, hoststxt = false, forward = "127.0.0.1@@DNS@",
  options = { ["do-not-query-localhost:"] = "no", ["local-zone:"] = "example. transparent" },
}

plugin_paths = { "@HERE@" }
modules_enabled = {
  "roster", "saslauth", "tls", "dialback", "disco", "ping", "version", "time", "offline", "pep", "s2s_bidi", @SMACKS@
  "witness_streams",
}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_hashed"
s2s_require_encryption = @STRICT@
s2s_secure_auth = @STRICT@
s2s_timeout = 10
smacks_hibernation_time = 3
limits = {}
log = { { levels = { min = "info" }, to = "console" } }

ssl = { cafile = "@CERTIFICATES@/@TRUST@.crt", verify = { "peer", "client_once" } }

@HOSTS@
