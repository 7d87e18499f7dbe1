//! The kinds of graphs with tokens: what the table says, that it is sound, and that texts exist and are unique.

use std::{vec, vec::Vec};

use super::memory::Job;
use crate::{
    DType, Operand, SealError, Tensor,
    builder::GraphBuilder,
    graph,
    ops::kind,
    random::{Rng, World},
    refusal::{Fault, Place},
};

const ROOT: [u8; 32] = [0; 32];
const KIND_AT: usize = 3;

/// The kinds of all ops, as the records say them.
fn kinds(bytes: &[u8]) -> Vec<u8> {
    let graph = crate::Graph::parse(bytes).unwrap();
    let records = (0..graph.op_count()).map(|index| graph.record(index).unwrap());
    records.map(|record| record.kind).collect()
}

/// Whether every op is accepted: the only thing wrong is that op 0 is no FEEDBACK.
fn is_accepted(builder: &GraphBuilder, tokens: Operand) -> bool {
    let mut builder = builder.clone();
    builder.generate(tokens, Operand::Op(0));
    let place = Place::Graph;
    match builder.finish() {
        Ok(_) => true,
        Err(fault) => {
            let error = SealError::IsNoFeedback;
            fault == Fault { error, place } || fault.error == SealError::TokensShape
        }
    }
}

/// S = 4, and operands of every kind.
struct Text {
    b: GraphBuilder,
    tokens: Operand,
    /// Kind 0, i8, 4 x 4.
    free: Operand,
    /// Kind 1, i8, 4 x 4.
    rows: Operand,
    /// Kind 2, i8, 4 x 4.
    columns: Operand,
    /// Kind 3, i32, 4 x 4.
    pairs: Operand,
    /// Kind 4, i8, 4 x 4.
    causal: Operand,
    /// Kind 2, i32, 1 x 4.
    next: Operand,
}

fn text() -> Text {
    let mut b = GraphBuilder::new();
    let tokens = b.input_item(DType::I32, 1, 4);
    let free = b.input_item(DType::I8, 4, 4);
    let table = b.weight_root(DType::I8, 9, 4, &ROOT);
    let rows = b.gather(tokens, table, 4).push();
    let columns = b.mix(rows).transposed().push();
    let pairs = b.dot(rows, rows).push();
    let causal = b.softmax(pairs, 1, 0, DType::I8).causal().push();
    let next = b.argmax(rows).transposed().push();
    Text {
        b,
        tokens,
        free,
        rows,
        columns,
        pairs,
        causal,
        next,
    }
}

/// What the table makes of one more op.
fn kind_of(add: impl Fn(&mut Text)) -> Result<u8, SealError> {
    let mut text = text();
    add(&mut text);
    text.b.generate(text.tokens, Operand::Op(0));
    let last = text.b.op_count() - 1;
    match text.b.finish() {
        Err(fault) if fault.place == Place::Graph => Ok(kinds(&text.b.bytes().unwrap())[last]),
        Err(fault) => {
            assert_eq!(fault.place, Place::Op(last as u16));
            Err(fault.error)
        }
        Ok(_) => panic!(),
    }
}

#[test]
fn operands_of_the_table_have_the_kinds_that_they_are_used_for() {
    let mut text = text();
    text.b.generate(text.tokens, Operand::Op(0));
    let expected = [
        kind::ROWS,
        kind::COLUMNS,
        kind::PAIRS,
        kind::CAUSAL,
        kind::COLUMNS,
    ];
    assert_eq!(kinds(&text.b.bytes().unwrap()), expected);
}

/// Every line of the table, and what stands beside it.
#[test]
#[expect(clippy::too_many_lines, reason = "a table, one row a case")]
fn the_table_of_kinds() {
    const NO: Result<u8, SealError> = Err(SealError::NoKind);
    type Add = fn(&mut Text);
    let weight = |t: &mut Text, rows, cols| t.b.weight_root(DType::I8, rows, cols, &ROOT);
    let of = |t: &Text| [t.free, t.rows, t.columns, t.pairs, t.causal];
    // One operand of each kind: 0, 1, 2, 3, 4.
    let of_each = |add: &dyn Fn(&mut Text, Operand)| -> Vec<Result<u8, SealError>> {
        let each = (0..5).map(|at| {
            kind_of(|t| {
                let a = of(t)[at];
                add(t, a)
            })
        });
        each.collect()
    };
    let lut = of_each(&|t, a| {
        let a = t.b.mix(a).to(DType::I8).push();
        let table = weight(t, 1, 256);
        t.b.lut(a, table).push();
    });
    assert_eq!(lut, [Ok(0), Ok(1), Ok(2), Ok(3), Ok(1)]);
    let lut = of_each(&|t, a| {
        let a = if a == t.pairs { t.causal } else { a };
        let table = weight(t, 1, 256);
        t.b.lut(a, table).push();
    });
    assert_eq!(lut, [Ok(0), Ok(1), Ok(2), Ok(1), Ok(1)]);
    let norm = of_each(&|t, a| {
        let p = t.b.weight_root(DType::I32, 2, 4, &ROOT);
        t.b.norm(a, p, 1, DType::I8).push();
    });
    assert_eq!(norm, [Ok(0), Ok(1), NO, NO, Ok(1)]);
    let argmax = of_each(&|t, a| {
        t.b.argmax(a).push();
    });
    assert_eq!(argmax, [Ok(0), Ok(1), NO, NO, Ok(1)]);
    let transposed = of_each(&|t, a| {
        t.b.mix(a).transposed().push();
    });
    assert_eq!(transposed, [Ok(0), Ok(2), Ok(1), NO, Ok(2)]);
    let softmax = of_each(&|t, a| {
        t.b.softmax(a, 1, 0, DType::I8).push();
    });
    assert_eq!(softmax, [Ok(0), Ok(1), NO, NO, Ok(1)]);
    let causal = of_each(&|t, a| {
        t.b.softmax(a, 1, 0, DType::I8).causal().push();
    });
    assert_eq!(causal, [Ok(4), Ok(4), NO, Ok(4), Ok(4)]);
    let transposed = of_each(&|t, a| {
        t.b.softmax(a, 1, 0, DType::I8).causal().transposed().push();
    });
    assert_eq!(transposed, [Ok(2), Ok(2), NO, Ok(2), Ok(2)]);
    let groups = of_each(&|t, a| {
        t.b.softmax(a, 1, 0, DType::I8).causal().groups(2).push();
    });
    assert_eq!(groups, [Ok(0), NO, NO, NO, NO], "T is not S");
    let masked = of_each(&|t, a| {
        let mask = t.b.mix(a).to(DType::I8).push();
        t.b.softmax(t.free, 1, 0, DType::I8)
            .causal()
            .mask(mask)
            .push();
    });
    assert_eq!(masked, [Ok(4), NO, NO, NO, NO]);
    let left = of_each(&|t, a| {
        let a = t.b.mix(a).to(DType::I8).push();
        let w = weight(t, 3, 4);
        t.b.dot(a, w).push();
    });
    assert_eq!(left, [Ok(0), Ok(1), NO, NO, Ok(1)]);
    // DOT of each with each, on both sides.
    let dot = |is_context: bool| -> Vec<Vec<Result<u8, SealError>>> {
        let narrow = |t: &mut Text, a| t.b.mix(a).to(DType::I8).push();
        let pair = |x: usize, y: usize| {
            kind_of(|t| {
                let [a, b] = [of(t)[x], of(t)[y]];
                // A causal operand is one as it stands; of pairs an i8 is made.
                let a = if x == 3 { narrow(t, a) } else { a };
                let b = if y == 3 { narrow(t, b) } else { b };
                let draft = t.b.dot(a, b);
                match is_context {
                    false => draft.push(),
                    true => draft.context(1, 1).push(),
                };
            })
        };
        (0..5)
            .map(|x| (0..5).map(|y| pair(x, y)).collect())
            .collect()
    };
    let scores = [
        [Ok(0), Ok(3), NO, NO, Ok(3)],
        [Ok(1), Ok(3), NO, NO, Ok(3)],
        [NO; 5],
        [NO; 5],
        [Ok(1), Ok(3), NO, NO, Ok(3)],
    ];
    assert_eq!(dot(false), scores);
    let context = [
        [Ok(0), NO, NO, NO, NO],
        [Ok(1), NO, NO, NO, NO],
        [NO; 5],
        [NO; 5],
        [Ok(1), NO, Ok(1), NO, NO],
    ];
    assert_eq!(dot(true), context);
    // MIX of each with each.
    let mix = |add: fn(&mut Text, Operand, Operand)| -> Vec<Vec<Result<u8, SealError>>> {
        let pair = |x: usize, y: usize| {
            kind_of(|t| {
                let [a, b] = [of(t)[x], of(t)[y]];
                add(t, a, b);
            })
        };
        (0..5)
            .map(|x| (0..5).map(|y| pair(x, y)).collect())
            .collect()
    };
    let sum = [
        [Ok(0), Ok(1), Ok(2), Ok(3), Ok(1)],
        [Ok(1), Ok(1), NO, NO, Ok(1)],
        [Ok(2), NO, Ok(2), NO, NO],
        [Ok(3), NO, NO, Ok(3), NO],
        [Ok(1), Ok(1), NO, NO, Ok(1)],
    ];
    assert_eq!(
        mix(|t, a, b| {
            t.b.mix(a).plus(b).push();
        }),
        sum
    );
    assert_eq!(
        mix(|t, a, b| {
            t.b.mix(a).times(b).push();
        }),
        sum
    );
    assert_eq!(
        mix(|t, a, b| {
            let f = t.free;
            t.b.mix(f).times(a).plus_product(f, b).push();
        })[1],
        {
            let mut row = sum[1];
            row[3] = Err(SealError::WrongDType);
            row
        }
    );
    let paired = [
        [Ok(0), Ok(1), NO, NO, Ok(1)],
        [Ok(1), Ok(1), NO, NO, Ok(1)],
        [NO; 5],
        [NO; 5],
        [Ok(1), Ok(1), NO, NO, Ok(1)],
    ];
    assert_eq!(
        mix(|t, a, b| {
            t.b.mix(a).plus(b).paired().push();
        }),
        paired
    );
    let alone: [(Result<u8, SealError>, Add); 11] = [
        // Repeated over rows, over columns.
        (NO, |t| {
            let tall = t.b.weight_root(DType::I8, 8, 4, &ROOT);
            t.b.mix(tall).plus(t.rows).push();
        }),
        (Ok(1), |t| {
            let wide = t.b.weight_root(DType::I8, 4, 8, &ROOT);
            t.b.mix(wide).plus(t.rows).push();
        }),
        (Ok(2), |t| {
            let tall = t.b.weight_root(DType::I8, 8, 4, &ROOT);
            t.b.mix(tall).plus(t.columns).push();
        }),
        (NO, |t| {
            let wide = t.b.weight_root(DType::I8, 4, 8, &ROOT);
            t.b.mix(wide).plus(t.columns).push();
        }),
        (NO, |t| {
            let tall = t.b.weight_root(DType::I8, 8, 4, &ROOT);
            t.b.mix(tall).plus(t.pairs).push();
        }),
        // GATHER: two rows in one, a table that depends on the tokens, indices by rows.
        (NO, |t| {
            let table = t.b.weight_root(DType::I8, 9, 4, &ROOT);
            t.b.gather(t.tokens, table, 2).push();
        }),
        (NO, |t| {
            let x = t.b.input_fixed(DType::I32, 1, 4);
            t.b.gather(x, t.rows, 4).push();
        }),
        (Ok(1), |t| {
            let table = t.b.weight_root(DType::I8, 9, 4, &ROOT);
            t.b.gather(t.next, table, 4).push();
        }),
        // FEEDBACK.
        (Ok(2), |t| {
            let x = t.b.input_fixed(DType::I32, 1, 4);
            t.b.feedback(x, t.next).push();
        }),
        (NO, |t| {
            t.b.feedback(t.tokens, t.next).push();
        }),
        (NO, |t| {
            let x = t.b.input_fixed(DType::I32, 1, 4);
            t.b.feedback(x, t.next).transposed().push();
        }),
    ];
    for (number, (expected, add)) in alone.into_iter().enumerate() {
        assert_eq!(kind_of(add), expected, "case {number}");
    }
}

/// Graphs without tokens have no kinds; in one with tokens, only the derived one is accepted.
#[test]
fn a_record_states_its_kind() {
    let mut t = text();
    let x = t.b.input_fixed(DType::I32, 1, 4);
    let without = t.b.finish().unwrap();
    let feedback = t.b.feedback(x, t.next).push();
    t.b.generate(t.tokens, feedback);
    let with = t.b.finish().unwrap();
    assert!(graph::seal(&with).is_ok());
    assert_eq!(kinds(&without), [0; 5]);
    for bytes in [without, with] {
        let graph = crate::Graph::parse(&bytes).unwrap();
        let first = graph::len(graph.input_count() as u8, graph.weight_count() as u16, 0);
        for op in 0..graph.op_count() {
            let right = bytes[first + op * 32 + KIND_AT];
            for wrong in [0, 1, 2, 3, 4, 5, 255] {
                let mut changed = bytes.clone();
                changed[first + op * 32 + KIND_AT] = wrong;
                let expected = if wrong == right {
                    Ok(())
                } else {
                    Err(SealError::WrongKind)
                };
                assert_eq!(
                    graph::seal(&changed).map(drop),
                    expected,
                    "op {op}: {wrong}"
                );
            }
        }
    }
}

/// The two graphs of four ops: with the check switched off (the tokens are an input like others), one has two consistent
/// texts, the other none. Both are refused, whatever kinds they state.
#[test]
fn toy_graphs_are_refused() {
    for (table, texts) in [([1, 0, 0, 1], 2), ([0, 1, 1, 0], 0)] {
        let mut b = GraphBuilder::new();
        let tokens = b.input_item(DType::I32, 1, 2);
        let x = b.input_item(DType::I32, 1, 2);
        let swap = b.input_fixed(DType::I32, 1, 2);
        let t = b.weight_root(DType::I8, 2, 2, &ROOT);
        let hot = b.gather(tokens, t, 2).push();
        let swapped = b.gather(swap, hot, 2).push();
        let next = b.argmax(swapped).transposed().push();
        let feedback = b.feedback(x, next).push();
        let unchecked = b.finish().unwrap();
        let mut found = 0;
        for text in (-1..4).flat_map(|one| (-1..4).map(move |two| [one, two])) {
            let job = Job::new(&unchecked, |of, _| match of {
                Operand::Weight(_) => Tensor::from_i8(2, 2, &table).unwrap(),
                of if of == tokens => Tensor::from_i32(1, 2, &text).unwrap(),
                of if of == x => Tensor::from_i32(1, 2, &[-1, -1]).unwrap(),
                _ => Tensor::from_i32(1, 2, &[1, 0]).unwrap(),
            });
            found += u32::from(job.tensor(feedback).values() == text);
        }
        assert_eq!(found, texts);

        b.generate(tokens, feedback);
        let refused = Fault {
            error: SealError::NoKind,
            place: Place::Op(1),
        };
        assert_eq!(b.finish(), Err(refused));
        let bytes = b.bytes().unwrap();
        let first = graph::len(3, 1, 0) + KIND_AT;
        for stated in 0..5u32.pow(4) {
            let mut bytes = bytes.clone();
            for op in 0..4 {
                bytes[first + op * 32] = (stated / 5u32.pow(op as u32) % 5) as u8;
            }
            assert!(graph::seal(&bytes).is_err());
        }
    }
}

#[test]
fn feedback_on_the_tokens_themselves_is_refused() {
    let mut t = text();
    let feedback = t.b.feedback(t.tokens, t.next).push();
    t.b.generate(t.tokens, feedback);
    let error = t.b.finish().unwrap_err();
    assert_eq!(
        (error.error, error.place),
        (SealError::NoKind, Place::Op(5))
    );
}

fn last_kind(builder: &GraphBuilder, tokens: Operand) -> u8 {
    let mut builder = builder.clone();
    builder.generate(tokens, Operand::Op(0));
    kinds(&builder.bytes().unwrap()).last().copied().unwrap()
}

/// A random graph over S tokens: every op that the table refuses is taken out again.
pub fn random_text(rng: &mut Rng) -> (GraphBuilder, Operand, u32) {
    let len = 2 + rng.below(3);
    let mut world = World::new(rng);
    world.builder = GraphBuilder::new();
    world.operands.clear();
    world.sizes = (vec![1, len, len], vec![1, len, len, 2 * len]);
    let tokens = world.builder.input_item(DType::I32, 1, len);
    world.operands.push(tokens);
    world.fresh(DType::I8, len, len);
    world.fresh(DType::I16, 4, len);
    let mut text = 0;
    for _ in 0..60 {
        if text > 10 {
            break;
        }
        let before = (world.builder.clone(), world.operands.clone());
        let opcode = world.rng.pick(&[1, 1, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8]);
        world.op(opcode);
        // Most ops shall depend on the tokens.
        let is_free = last_kind(&world.builder, tokens) == kind::FREE;
        if !is_accepted(&world.builder, tokens) || is_free && !world.rng.is_one_in(8) {
            (world.builder, world.operands) = before;
        } else if !is_free {
            text += 1;
        }
    }
    (world.builder.clone(), tokens, len)
}

fn small(rng: &mut Rng, shape: &crate::Shape) -> Tensor {
    let values: Vec<i32> = (0..shape.cols).map(|_| rng.below(5) as i32 - 1).collect();
    Tensor::from_i32(1, shape.cols, &values).unwrap()
}

/// Changes single tokens and looks which entries change: each must be one that the kind allows. An entry of kind 4 is 0
/// above the diagonal.
#[test]
fn kinds_are_sound() {
    let mut rng = Rng(10);
    // By opcode and kind: how often the kind came out, and how often an entry of it changed.
    let (mut seen, mut moved) = ([[0u32; 5]; 9], [0u32; 5]);
    for _ in 0..1_500 {
        let (mut b, tokens, len) = random_text(&mut rng);
        b.generate(tokens, Operand::Op(0));
        let bytes = b.bytes().unwrap();
        if crate::Graph::parse(&bytes).is_err() {
            continue;
        }
        let kinds = kinds(&bytes);
        for _ in 0..3 {
            let mut job = Job::new(&bytes, |of, shape| match of == tokens {
                true => small(&mut rng, shape),
                false => rng.tensor(shape),
            });
            let before = job.outputs.clone();
            for (index, kind) in kinds.iter().enumerate() {
                seen[usize::from(job.op(index).1.opcode)][usize::from(*kind)] += 1;
                assert!(*kind != kind::CAUSAL || is_lower(&before[index], len));
            }
            let text = job.inputs[0].clone();
            for changed in 0..len {
                let mut values = text.values();
                values[changed as usize] = rng.below(6) as i32 - 1;
                job.inputs[0] = Tensor::from_i32(1, len, &values).unwrap();
                job.evaluate();
                for (index, kind) in kinds.iter().enumerate() {
                    for (row, col) in differences(&before[index], &job.outputs[index]) {
                        let last = match *kind {
                            kind::ROWS | kind::CAUSAL => row,
                            kind::COLUMNS => col,
                            kind::PAIRS => row.max(col % len),
                            _ => panic!("op {index} is free of tokens"),
                        };
                        let op = job.op(index);
                        assert!(
                            changed <= last,
                            "{op:?} depends on token {changed} at {row}, {col}"
                        );
                        moved[usize::from(*kind)] += 1;
                    }
                }
            }
        }
    }
    for (opcode, kinds) in [
        (1, &[0, 1, 2, 3][..]),
        (2, &[0, 1, 2, 3]),
        (3, &[0, 1, 2, 3]),
        (4, &[0, 1, 2]),
        (5, &[0, 1, 2]),
        (6, &[0, 1, 2, 4]),
        (7, &[0, 1, 2]),
        (8, &[0, 2]),
    ] {
        for kind in kinds {
            assert!(
                seen[opcode][*kind] >= 5,
                "opcode {opcode} has hardly any results of kind {kind}"
            );
        }
    }
    assert!(moved[1..].iter().all(|count| *count > 200), "{moved:?}");
}

fn is_lower(tensor: &Tensor, len: u32) -> bool {
    let places = (0..tensor.rows()).flat_map(|row| (0..tensor.cols()).map(move |col| (row, col)));
    let mut above = places.filter(|(row, col)| col % len > *row);
    above.all(|(row, col)| tensor.value(row, col) == Some(0))
}

fn differences(one: &Tensor, other: &Tensor) -> Vec<(u32, u32)> {
    let cols = one.cols();
    let pairs = (0..).zip(one.values().into_iter().zip(other.values()));
    let places = pairs.filter(|(_, (one, other))| one != other);
    places.map(|(at, _)| (at / cols, at % cols)).collect()
}

/// From any start, the text that FEEDBACK gives is the same after S rounds, and then stays: it exists and is unique.
#[test]
fn texts_exist_and_are_unique() {
    let mut rng = Rng(11);
    let (mut sealed, mut differing) = (0, 0);
    while sealed < 300 {
        let (mut b, tokens, len) = random_text(&mut rng);
        if b.op_count() == 0 {
            continue;
        }
        let kinds = {
            let mut b = b.clone();
            b.generate(tokens, Operand::Op(0));
            kinds(&b.bytes().unwrap())
        };
        let fits = |op: &u16| {
            let shape = b.shape(Operand::Op(*op)).unwrap();
            kinds[usize::from(*op)] == kind::ROWS && shape.rows == len && shape.cols > 1
        };
        let all: Vec<u16> = (0..b.op_count() as u16).filter(fits).collect();
        let Some(last) = all.last() else { continue };
        let x = b.input_fixed(DType::I32, 1, len);
        let next = b.argmax(Operand::Op(*last)).transposed().push();
        let feedback = b.feedback(x, next).push();
        b.generate(tokens, feedback);
        let Ok(bytes) = b.finish() else { continue };
        assert_eq!(
            crate::Graph::parse(&bytes).unwrap().feedback(),
            Some(b.op_count() as u16 - 1)
        );
        sealed += 1;
        let prompt: Vec<i32> = (0..len).map(|_| -(rng.below(2) as i32)).collect();
        let mut job = Job::new(&bytes, |of, shape| match of {
            of if of == x => Tensor::from_i32(1, len, &prompt).unwrap(),
            of if of == tokens => small(&mut rng, shape),
            _ => rng.tensor(shape),
        });
        let mut texts = Vec::new();
        for start in 0..3 {
            job.inputs[0] = Tensor::from_i32(1, len, &vec![start - 1; len as usize]).unwrap();
            for _ in 0..len {
                job.evaluate();
                job.inputs[0] = job.tensor(feedback).clone();
            }
            job.evaluate();
            assert_eq!(
                job.inputs[0],
                *job.tensor(feedback),
                "the text is consistent"
            );
            texts.push(job.inputs[0].values());
        }
        assert!(
            texts.iter().all(|text| *text == texts[0]),
            "the text is unique"
        );
        differing += u32::from(texts[0].iter().any(|token| *token > 0));
    }
    assert!(differing > 50, "texts are more than zeros: {differing}");
}

/// T is stored, so it is what readers see: a flag on FEEDBACK would make a column of the tokens.
#[test]
fn the_header_names_both_or_neither() {
    let mut t = text();
    let x = t.b.input_fixed(DType::I32, 1, 4);
    let feedback = t.b.feedback(x, t.next).push();
    t.b.generate(t.tokens, feedback);
    let bytes = t.b.finish().unwrap();
    let put = |at: usize, code: u16| {
        let mut bytes = bytes.clone();
        bytes[at..at + 2].copy_from_slice(&code.to_le_bytes());
        graph::seal(&bytes).map(drop)
    };
    use SealError as E;
    for (at, code, expected) in [
        (6, 65_534, E::TokensAlone),
        (8, 65_534, E::TokensAlone),
        (6, 65_535, E::UnknownOperand),
        (6, 0, E::IsNoInput),
        (6, 2_048, E::IsNoInput),
        (6, 1_027, E::UnknownOperand),
        (6, 1_025, E::TokensShape),
        (8, 65_535, E::UnknownOperand),
        (8, 6, E::UnknownOperand),
        (8, 4, E::IsNoFeedback),
        (8, 1_024, E::IsNoFeedback),
    ] {
        assert_eq!(put(at, code), Err(expected), "{at}: {code}");
    }
    // A fixed input gives no text for each item.
    let fixed = put(6, 1_026);
    assert_eq!(fixed, Err(E::TokensShape));
    let mut b = GraphBuilder::new();
    let tokens = b.input_item(DType::I32, 1, 3);
    let [x, next] = [(); 2].map(|()| b.input_item(DType::I32, 1, 2));
    let feedback = b.feedback(x, next).push();
    b.generate(tokens, feedback);
    assert_eq!(b.finish().unwrap_err().error, E::TokensShape);
    let mut b = GraphBuilder::new();
    let [tokens, x, next] = [(); 3].map(|()| b.input_item(DType::I32, 1, 2));
    let feedback = b.feedback(x, next).transposed().push();
    b.generate(tokens, feedback);
    assert_eq!(b.finish().unwrap_err().error, E::TokensShape);
    let mut b = GraphBuilder::new();
    let [tokens, x, next] = [(); 3].map(|()| b.input_item(DType::I32, 1, 8_193));
    let feedback = b.feedback(x, next).push();
    assert_eq!(b.finish().unwrap_err().error, E::TooWide);
    b.generate(tokens, feedback);
    assert_eq!(graph::seal(&b.bytes().unwrap()), Err(E::TokensShape));
}
