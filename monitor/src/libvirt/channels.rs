//! The channels of a domain, read out of libvirt's XML. Pure.
//!
//! libvirt writes the XML itself, always in one way: elements and attributes without namespaces where devices are, and
//! no `<` in any text, so that nothing a user can name looks like a device. More of XML is not read here.

use crate::instances::Channel;

/// The sockets on which QEMU listens, in their order.
pub(super) fn channels(xml: &str) -> Vec<Channel> {
    let devices = between(xml, "<devices>", "</devices>").unwrap_or_default();
    elements(devices, "channel").filter_map(channel).collect()
}

fn channel(element: &str) -> Option<Channel> {
    let source = tag(element, "source")?;
    if attribute(source, "mode").as_deref() != Some("bind") {
        return None;
    }
    let state = tag(element, "target").and_then(|target| attribute(target, "state"));
    let is_open = match state.as_deref() {
        Some("connected") => Some(true),
        Some("disconnected") => Some(false),
        Some(_) | None => None,
    };
    Some(Channel { socket: attribute(source, "path")?, is_open })
}

/// What lies between the first `from` and the last `to`.
fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let begin = text.find(from)? + from.len();
    let end = text.rfind(to)?;
    text.get(begin..end)
}

/// The elements called `name`, with what is in them.
fn elements<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (begin, end) = (format!("<{name} "), format!("</{name}>"));
    let mut left = text;
    std::iter::from_fn(move || {
        let from = left.find(&begin)?;
        let to = from + left.get(from..)?.find(&end)?;
        let element = left.get(from..to)?;
        left = left.get(to..)?;
        Some(element)
    })
}

/// The first tag called `name`.
fn tag<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let from = element.find(&format!("<{name} "))?;
    let rest = element.get(from..)?;
    // A `>` within an attribute is written `&gt;`.
    rest.get(..rest.find('>')?)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let from = tag.find(&format!(" {name}='"))? + name.len() + 3;
    let rest = tag.get(from..)?;
    Some(plain(rest.get(..rest.find('\'')?)?))
}

/// As it was before it was escaped.
fn plain(text: &str) -> String {
    let mut text = text.to_owned();
    for (escaped, plain) in
        [("&lt;", "<"), ("&gt;", ">"), ("&apos;", "'"), ("&quot;", "\""), ("&amp;", "&")]
    {
        text = text.replace(escaped, plain);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As libvirt 9.0 wrote it of a VM of Nova's, shortened.
    const XML: &str = r"<domain type='kvm' id='3'>
  <name>instance-00000004</name>
  <metadata>
    <nova:name>&lt;devices&gt;&lt;channel type='unix'&gt;</nova:name>
  </metadata>
  <devices>
    <serial type='unix'>
      <source mode='bind' path='/var/lib/libvirt/qemu/serial.sock'/>
    </serial>
    <channel type='spicevmc'>
      <target type='virtio' name='com.redhat.spice.0' state='disconnected'/>
    </channel>
    <channel type='unix'>
      <source mode='bind' path='/var/lib/libvirt/qemu/org.qemu.guest_agent.0.instance-00000004.sock'/>
      <target type='virtio' name='org.qemu.guest_agent.0' state='connected'/>
      <alias name='channel0'/>
    </channel>
    <channel type='unix'>
      <source mode='connect' path='/run/other.sock'/>
      <target type='virtio' name='other'/>
    </channel>
    <channel type='unix'>
      <source mode='bind' path='/run/a&amp;b&apos;c.sock'/>
      <target type='virtio' name='ours' state='disconnected'/>
    </channel>
    <channel type='unix'>
      <source mode='bind' path='/run/old.sock'/>
      <target type='virtio' name='old'/>
    </channel>
  </devices>
</domain>";

    #[test]
    fn the_channels_on_which_qemu_listens_are_read_and_nothing_else() {
        let found: Vec<_> = channels(XML).into_iter().map(|c| (c.socket, c.is_open)).collect();
        let agent = "/var/lib/libvirt/qemu/org.qemu.guest_agent.0.instance-00000004.sock";
        let expected = [
            (agent.into(), Some(true)),
            ("/run/a&b'c.sock".to_owned(), Some(false)),
            ("/run/old.sock".to_owned(), None),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_domain_without_channels_or_cut_short_has_none() {
        assert_eq!(channels("<domain><devices></devices></domain>"), []);
        assert_eq!(channels("<domain/>"), []);
        for end in 0..XML.len() {
            channels(&XML[..end]);
        }
    }
}
