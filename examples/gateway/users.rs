//! The file of users with the hashes of their passwords, as `htdigest` writes it: `user:realm:HA1` on each line, which is MD5.
//! Other algorithms are named: `user:realm:SHA-256:HA1`. A realm may have colons, a user may not.

use sip_survivability::auth::{Algorithm, Ha1, Realm};
use sip_survivability::config::User;
use std::collections::BTreeMap;

/// Reads the lines, or says which one is wrong, and why. `realm`: the one that all must have; if none, that of the first line.
pub(crate) fn parse(text: &str, mut realm: Option<Realm>) -> Result<(Realm, Vec<User>), String> {
    let mut users: BTreeMap<&str, Vec<Ha1>> = BTreeMap::new();
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
    for (number, line) in lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')) {
        let wrong = |reason: String| format!("line {number}: {reason}");
        let Line { user, realm: named, ha1 } = read(line).map_err(wrong)?;
        match &realm {
            Some(realm) if realm.as_str() != named => {
                return Err(wrong(format!("the realm is {named:?}, and not {:?}", realm.as_str())));
            }
            Some(_) => {}
            None => realm = Some(named.parse().map_err(|error| wrong(format!("the realm {error}")))?),
        }
        let known = users.entry(user).or_default();
        if known.iter().any(|known| known.algorithm() == ha1.algorithm()) {
            return Err(wrong(format!("{user:?} has an HA1 by {} already", ha1.algorithm())));
        }
        known.push(ha1);
    }
    let realm = realm.ok_or("has no line user:realm:HA1")?;
    let users = users.into_iter().map(|(name, ha1)| User { name: name.to_owned(), ha1 }).collect();
    Ok((realm, users))
}

struct Line<'a> {
    user: &'a str,
    realm: &'a str,
    ha1: Ha1,
}

fn read(line: &str) -> Result<Line<'_>, String> {
    // Nothing of a line that could be the password's hash is shown.
    let fields = line.split_once(':').and_then(|(user, rest)| Some((user, rest.rsplit_once(':')?)));
    let (user, (realm, digits)) = fields
        .filter(|(user, _)| !user.is_empty())
        .ok_or("must be user:realm:HA1 or user:realm:algorithm:HA1")?;
    let named = realm.rsplit_once(':').and_then(|(realm, name)| Some((realm, Algorithm::parse(name)?)));
    let (realm, algorithm) = named.unwrap_or((realm, Algorithm::Md5));
    let ha1 = Ha1::parse(algorithm, digits).ok_or_else(|| {
        format!("HA1 must be {} hexadecimal digits, since the algorithm is {algorithm}", algorithm.digits())
    })?;
    Ok(Line { user, realm, ha1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOB: &str = "bob:biloxi.com:12af60467a33e8518da5c68bbff12b11";

    fn wrong(text: &str) -> String {
        parse(text, None).unwrap_err()
    }

    #[test]
    fn what_htdigest_writes_is_read_and_other_algorithms_by_name() {
        let sha = Ha1::new(Algorithm::Sha256, "bob", "biloxi.com", "zanzibar");
        let digits = "e65db393e748c5228939a6b4b2879e9ea5625cd79fd5267868cb568d69f6b97e";
        let text = format!("# two of bob's\n\n{BOB}\r\n bob:biloxi.com:sha-256:{digits} \n");
        let (realm, users) = parse(&text, None).unwrap();
        assert_eq!((realm.as_str(), users.len(), &*users[0].name), ("biloxi.com", 1, "bob"));
        assert_eq!(users[0].ha1, [Ha1::new(Algorithm::Md5, "bob", "biloxi.com", "zanzibar"), sha]);
        let (realm, _) = parse(&BOB.replace("biloxi.com", "http://a:80/"), None).unwrap();
        assert_eq!(realm.as_str(), "http://a:80/");
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_never_shown() {
        assert_eq!(wrong("# nobody\n"), "has no line user:realm:HA1");
        let form = "must be user:realm:HA1 or user:realm:algorithm:HA1";
        assert_eq!(wrong(&format!("{BOB}\nsecret")), format!("line 2: {form}"));
        assert_eq!(wrong(":r:secret"), format!("line 1: {form}"));
        assert_eq!(
            wrong("\nbob:r:secret"),
            "line 2: HA1 must be 32 hexadecimal digits, since the algorithm is MD5"
        );
        assert_eq!(
            wrong(&BOB.replace(".com:", ".com:SHA-512-256:")),
            "line 1: HA1 must be 64 hexadecimal digits, since the algorithm is SHA-512-256"
        );
        assert_eq!(wrong(&format!("{BOB}\n{BOB}")), "line 2: \"bob\" has an HA1 by MD5 already");
        let other = BOB.replace("biloxi", "atlanta");
        assert_eq!(
            wrong(&format!("{BOB}\n{other}")),
            "line 2: the realm is \"atlanta.com\", and not \"biloxi.com\""
        );
        let error = parse(&other, "biloxi.com".parse().ok()).unwrap_err();
        assert_eq!(error, "line 1: the realm is \"atlanta.com\", and not \"biloxi.com\"");
    }
}
