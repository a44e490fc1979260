//! Parser of database URLs, which accepts the same URLs of one server as `psql`: with IPv6 addresses in brackets, also with a
//! zone, and with a user but no host. sqlx leaves the brackets in the host, and refuses the others.

use std::net::Ipv6Addr;

use sqlx::postgres::PgConnectOptions;

/// Schemes of database URLs, which are equivalent.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Error about an invalid URL. The message contains no part of the URL that could be a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable} is no URL of a Postgres database: {lack}")]
pub struct InvalidAddress {
    variable: &'static str,
    lack: String,
}

/// Parses the URL in the environment variable `variable`.
///
/// # Errors
///
/// The URL is invalid.
pub fn options(variable: &'static str, url: &str) -> Result<PgConnectOptions, InvalidAddress> {
    let invalid = |lack: String| InvalidAddress { variable, lack };
    let url = normalised(url).map_err(|lack| invalid(lack.to_owned()))?;
    let options: PgConnectOptions = url.parse().map_err(|err: sqlx::Error| invalid(err.to_string()))?;
    if options.get_host().contains(',') {
        return Err(invalid(ONE_SERVER.to_owned()));
    }
    // Numbers are sent in binary form, where this setting has no effect; but poolers refuse connections that request it.
    Ok(options.extra_float_digits(None))
}

const ONE_SERVER: &str = "it must name one server; a list of hosts is not supported";

/// Rewrites a URL to the form that sqlx parses.
fn normalised(url: &str) -> Result<String, &'static str> {
    let scheme = SCHEMES.iter().find(|scheme| url.starts_with(**scheme));
    let rest = &url[scheme.ok_or("it must begin with postgres:// or postgresql://")?.len()..];
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, server) = authority.rsplit_once('@').map_or((None, authority), |(user, server)| (Some(user), server));
    if server.contains(',') {
        return Err(ONE_SERVER);
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    let at_host = |user: &str| if user.is_empty() { String::new() } else { format!("{user}@") };
    match (user, server.strip_prefix('[')) {
        (_, Some(server)) => {
            let (address, port) = server.split_once(']').ok_or("the bracket before its IPv6 address is not closed")?;
            let host = host(address)?;
            Ok(format!("postgres://{}localhost{port}{path}?host={host}&{query}", at_host(user.unwrap_or_default())))
        }
        (_, None) if server.matches(':').count() > 1 => Err("an IPv6 address must be in brackets, as in [::1]:5432"),
        (Some(user), None) if server.is_empty() => {
            let (name, password) = user.split_once(':').map_or((user, None), |(name, word)| (name, Some(word)));
            let password = password.map_or_else(String::new, |word| format!("&password={}", in_query(word)));
            Ok(format!("postgres://{path}?user={}{password}&{query}", in_query(name)))
        }
        _ => Ok(format!("postgres://{rest}")),
    }
}

/// Formats an IPv6 address as the value of a query. A zone, as in `fe80::1%eth0`, follows `%` or, as in URLs, `%25`.
fn host(address: &str) -> Result<String, &'static str> {
    const NONE: &str = "what is in its brackets is no IPv6 address";
    let (address, zone) = match address.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (address, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| NONE)?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone)
            if !zone.is_empty() && zone.chars().all(|char| char.is_ascii_alphanumeric() || "-_.".contains(char)) =>
        {
            Ok(format!("{address}%25{zone}"))
        }
        Some(_) => Err(NONE),
    }
}

/// Escapes a text for a query, in which a plus means a space.
fn in_query(text: &str) -> String {
    text.replace('+', "%2B").replace('&', "%26").replace('#', "%23")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> PgConnectOptions {
        options("DATABASE_URL", url).expect(url)
    }

    #[test]
    fn hosts_are_read_as_psql_reads_them() {
        for (url, host, port) in [
            ("postgres://u@[::1]:5433/d", "::1", 5_433),
            ("postgresql://u:p@[2001:db8::7]/d?sslmode=disable", "2001:db8::7", 5_432),
            ("postgres://[fe80::1%25eth0]:6000/d", "fe80::1%eth0", 6_000),
            ("postgres://[fe80::1%eth0]/d", "fe80::1%eth0", 5_432),
            ("postgres://u@127.0.0.1:5433/d", "127.0.0.1", 5_433),
            ("postgres://u@db.example/d", "db.example", 5_432),
            ("postgres://u@elsewhere/d?host=::1&port=7", "::1", 7),
            ("postgres://u@[::1]/d?host=other", "other", 5_432),
        ] {
            let options = read(url);
            assert_eq!((options.get_host(), options.get_port()), (host, port), "{url}");
            assert_eq!(options.get_database(), Some("d"), "{url}");
        }
    }

    #[test]
    fn users_and_passwords_are_read_beside_any_host() {
        for url in ["postgres://u%40x@[::1]/d", "postgres://u%40x@/d?host=/run/pg", "postgres://u%40x@%2Frun%2Fpg/d"] {
            assert_eq!(read(url).get_username(), "u@x", "{url}");
        }
        for url in ["postgres://u@/d?host=/run/pg", "postgres://u@%2Frun%2Fpg/d", "postgres:///d?host=/run/pg"] {
            let socket = read(url).get_socket().map(|path| path.to_str().expect("a path").to_owned());
            assert_eq!(socket.as_deref(), Some("/run/pg"), "{url}");
        }
    }

    #[test]
    fn what_names_no_database_is_refused_without_its_password() {
        for (url, lack) in [
            ("mysql://u:secret@h/d", "must begin with postgres://"),
            ("postgres//u:secret@h/d", "must begin with postgres://"),
            ("postgres://u:secret@::1:5432/d", "must be in brackets"),
            ("postgres://u:secret@[::1/d", "not closed"),
            ("postgres://u:secret@[nowhere]/d", "no IPv6 address"),
            ("postgres://u:secret@[::1%25]/d", "no IPv6 address"),
            ("postgres://u:secret@a:1,b:2/d", "one server"),
            ("postgres://u:secret@/d?host=a,b", "one server"),
            ("postgres://u:secret@h:port/d", "invalid port"),
        ] {
            let message = options("DATABASE_URL", url).expect_err(url).to_string();
            assert!(message.contains(lack) && !message.contains("secret"), "{url}: {message}");
        }
    }
}
