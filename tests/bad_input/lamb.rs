//! Bad input to LAMB: its options, its norm, and memory that is too small. What lists of all optimizers refuse, `adamw.rs` tries.

use warpsmith::ops::lamb::{
    Desc, Lamb, MomentDesc, Options, ParameterDesc, Scalars, States, Tensors, plan, progress_bytes, table,
};
use warpsmith::{Buffer, DType, Device, Error, Queue, Result, TensorDesc};

use crate::device;

const COUNT: usize = 300;

fn tensor(place: u64, len: usize, dtype: DType) -> TensorDesc {
    TensorDesc::contiguous(place << 20, [len], dtype)
}

fn plan_of(options: Options, spoil: fn(&mut ParameterDesc), short: usize) -> Result<()> {
    let moment = |place| MomentDesc::Floats(tensor(place, COUNT, DType::F32));
    let mut parameter = ParameterDesc {
        parameter: tensor(1, COUNT, DType::F32),
        gradient: tensor(2, COUNT, DType::F32),
        master: None,
        first: moment(3),
        second: Some(moment(4)),
        weight_decay: 0.1,
    };
    spoil(&mut parameter);
    let parameters = [parameter];
    let size = table(&parameters, &options).map_or(1 << 20, |table| table.len());
    let progress = tensor(9, progress_bytes(&parameters) - short, DType::U8);
    plan(&Desc { parameters: &parameters, table: tensor(8, size, DType::U8), progress, options }, device().caps())
        .map(drop)
}

type Case = (&'static str, fn(&mut Options));

#[test]
fn what_cannot_be_is_named() {
    assert_eq!(plan_of(Options::default(), |_| (), 0), Ok(()));
    assert_eq!(plan_of(Options::deepspeed(), |_| (), 0), Ok(()));
    let cases: &[Case] = &[
        ("beta1 1", |o| o.beta1 = 1.0),
        ("beta2 NaN", |o| o.beta2 = f32::NAN),
        ("epsilon inf", |o| o.epsilon = f32::INFINITY),
        ("least trust ratio -1", |o| o.trust.least = -1.0),
        ("largest trust ratio 0.5", |o| (o.trust.least, o.trust.most) = (1.0, 0.5)),
        ("largest trust ratio NaN", |o| o.trust.most = f32::NAN),
        ("max_grad_norm 0", |o| o.max_grad_norm = Some(0.0)),
        ("max_grad_norm inf", |o| o.max_grad_norm = Some(f32::INFINITY)),
        ("moments that are not as the options say", |o| o.states = States::Codes),
    ];
    for (expected, spoil) in cases {
        let mut options = Options::default();
        spoil(&mut options);
        let error = plan_of(options, |_| (), 0).expect_err(expected).to_string();
        assert!(error.contains("lamb") && error.contains(expected), "{expected}: {error}");
    }
    let one_moment = plan_of(Options::default(), |p| p.second = None, 0).expect_err("one moment").to_string();
    assert!(one_moment.contains("another number of moments"), "{one_moment}");
    let short = plan_of(Options::default(), |_| (), 1);
    assert!(matches!(short, Err(Error::WorkspaceTooSmall { op: "lamb", .. })), "{short:?}");
}

/// A norm where there is a limit, and only there; one f32.
#[test]
fn a_limit_needs_the_norm() {
    let device = device();
    let upload = |count: usize| device.upload(&vec![1.0_f32; count]).unwrap();
    let (mut a, gradient, rate, norms) = (upload(8), upload(8), upload(1), upload(2));
    let scalars = Scalars { learning_rate: rate.view([1]).unwrap(), gradient_scale: None, found_inf: None };
    for (limit, given) in [(Some(1.0), false), (None, true)] {
        let options = Options { max_grad_norm: limit, ..Options::default() };
        let mut tensors =
            [Tensors { parameter: a.view_mut([8]).unwrap(), gradient: gradient.view([8]).unwrap(), master: None }];
        let mut optimizer = Lamb::new(&device, &mut tensors, &[0.0], options).unwrap();
        let result = match given {
            true => optimizer.step_clipped(&device, &mut tensors, scalars, rate.view([1]).unwrap()),
            false => optimizer.step(&device, &mut tensors, scalars),
        };
        let error = result.unwrap_err().to_string();
        assert!(error.contains("max_grad_norm"), "{error}");
        let two = optimizer.step_clipped(&device, &mut tensors, scalars, norms.view([2]).unwrap()).unwrap_err();
        assert!(two.to_string().contains("gradient_norm") || limit.is_none(), "{two}");
    }
    assert_eq!(device.download(&a).unwrap(), [1.0; 8]);
}
