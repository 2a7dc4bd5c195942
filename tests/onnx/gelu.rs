//! Gelu.

use warpsmith::ops::gelu::{self, Form, Forward};
use warpsmith::reference::gelu as reference;
use warpsmith::{Buffer, Device};

use crate::cases::{Case, Operator, blank, every_test, read};

struct Gelu;

impl Operator for Gelu {
    const NAME: &'static str = "Gelu";
    const TESTS: usize = 4;

    fn run<D: Device>(case: &Case, device: &D, name: &str) {
        let x = &case.inputs[0];
        let form = match case.text("approximate", "none") {
            "tanh" => Form::Tanh,
            "none" => Form::Erf,
            other => panic!("{other}"),
        };
        let len = x.f32().len();
        let (input, mut output) = (x.upload(device), blank(device, len));
        let tensors =
            Forward { input: input.view([len]).unwrap(), bias: None, output: output.view_mut([len]).unwrap() };
        gelu::forward(device, tensors, form).expect("gelu::forward");
        case.judge(name, "y", &read(device, &output), &reference::forward(form, &x.wide(), None));
    }
}

#[test]
fn gelu_in_both_forms() {
    every_test::<Gelu>();
}
