//! Bad messages for a method, drawn from a seed: each has the shape of the method's message, or once had it.

use bytes::Bytes;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use rand_core::Rng as _;
use tacit_model::entropy::{Rng, seeded_rng};
use tacit_wire::Message as _;

/// Texts that fields take: known names, wrong ones, and what no name may be. No member is among them, so that no report
/// about one can be true by chance; and no code is valid.
const TEXTS: [&str; 14] = [
    "",
    "court/judgment-defaulters",
    "court/nothing",
    "Court/Judgment",
    "screening",
    "curiosity",
    "nobody",
    "T-1",
    "LEI",
    "PASSPORT",
    "91350100M000100Y4!",
    "../../etc/passwd",
    "a\nlevel=error",
    "\u{0}\u{202e}\u{1f4a9}",
];

/// Numbers at the edges.
const NUMBERS: [u64; 8] = [0, 1, 2, 255, 1024, u32::MAX as u64, i64::MAX as u64, u64::MAX];

pub(crate) struct Noise(Rng);

impl Noise {
    pub(crate) fn seeded(seed: u8) -> Self {
        Self(seeded_rng([seed; 32]))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(end).unwrap()).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A message of this shape with fields that mean nothing.
    pub(crate) fn message(&mut self, of: &MessageDescriptor) -> Vec<u8> {
        self.dynamic(of, 0).encode_to_vec()
    }

    fn dynamic(&mut self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            if self.one_in(6) || depth > 6 {
                continue;
            }
            let value = if field.is_list() {
                let count = [0, 1, 2, 5, 20][self.below(5)];
                Value::List((0..count).map(|_| self.value(&field, depth)).collect())
            } else {
                self.value(&field, depth)
            };
            message.set_field(&field, value);
        }
        message
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let number = NUMBERS[self.below(NUMBERS.len())];
        #[expect(clippy::cast_possible_truncation, reason = "the low half of an edge is an edge too")]
        let small = number as u32;
        match field.kind() {
            Kind::Bool => Value::Bool(self.one_in(2)),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(small),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(number),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(small.cast_signed()),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number.cast_signed()),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.field_bytes()),
            Kind::Message(inner) => Value::Message(self.dynamic(&inner, depth + 1)),
            other => panic!("no field has kind {other:?} yet"),
        }
    }

    fn text(&mut self) -> String {
        match self.below(TEXTS.len() + 1) {
            0 => "x".repeat(5000),
            place => TEXTS[place - 1].to_owned(),
        }
    }

    /// Any bytes, but never points that could be meant: one in sixteen random 32-byte values is one.
    fn field_bytes(&mut self) -> Bytes {
        match self.below(9) {
            0 => Bytes::new(),
            1 => Bytes::from_static(&[0; 32]),
            2 => Bytes::from_static(&[0xff; 32]),
            3 => Bytes::from_static(&[0xff; 64]),
            4 => Bytes::from_static(b"hub/log\n7\nAAAA\n\n\xe2\x80\x94 hub/log AAAA\n"),
            5 => Bytes::from_static(b"tacit-log/v1\nkind access\n"),
            6 => self.bytes(31).into(),
            7 => self.bytes(33).into(),
            _ => self.bytes(512).into(),
        }
    }

    /// The same message, damaged: cut, lengthened, or with bytes changed.
    pub(crate) fn damaged(&mut self, message: &[u8]) -> Vec<u8> {
        let mut damaged = message.to_vec();
        match self.below(3) {
            0 => damaged.truncate(self.below(message.len() + 1)),
            1 => {
                let count = 1 + self.below(40);
                damaged.extend(self.bytes(count));
            }
            _ => {
                for _ in 0..=self.below(4) {
                    if !damaged.is_empty() {
                        let place = self.below(damaged.len());
                        damaged[place] ^= 1 << self.below(8);
                    }
                }
            }
        }
        damaged
    }
}
