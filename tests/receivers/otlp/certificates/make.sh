#!/bin/sh
# Makes the certificates of the TLS tests: an authority, a server and a client of it, and a stranger. Valid 2020 to 2120.
set -eu
cd "$(dirname "$0")"
here=$PWD
work=$(mktemp -d)
cd "$work"
cat >ca.cnf <<'END'
[ca]
default_ca = authority
[authority]
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = anything
[anything]
commonName = supplied
[is_authority]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
[is_host]
subjectAltName = DNS:localhost,IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[req]
distinguished_name = anything
END
: >index.txt
echo 'unique_subject = no' >index.txt.attr
certify() { # name, common name, extensions, how to sign
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"
    openssl req -new -config ca.cnf -key "$1.key" -subj "/CN=$2" -out "$1.csr"
    extensions=$3
    out=$1.pem
    shift 3
    openssl ca -batch -notext -config ca.cnf -startdate 20200101000000Z -enddate 21200101000000Z \
        -extensions "$extensions" -in "${out%.pem}.csr" -out "$out" "$@"
}
certify authority 'otelbridge tests' is_authority -selfsign -keyfile authority.key
certify stranger 'a stranger' is_authority -selfsign -keyfile stranger.key
certify server localhost is_host -cert authority.pem -keyfile authority.key
certify client localhost is_host -cert authority.pem -keyfile authority.key
cp authority.pem stranger.pem stranger.key server.pem server.key client.pem client.key "$here"
rm -r "$work"
