//! The service is complete without SSH: a scenario calls each of its public functions.

use std::collections::BTreeSet;
use std::path::Path;

use syn::visit::{self, Visit};

#[test]
fn a_scenario_calls_every_function_of_the_service() {
    let (mut offered, mut called) = (Offered::default(), Called::default());
    visit_files("src/service", &mut offered);
    visit_files("tests/scenarios/service", &mut called);
    assert!(offered.0.contains("push"), "{:?}", offered.0);
    let forgotten: Vec<_> = offered.0.difference(&called.0).collect();
    assert!(forgotten.is_empty(), "no file of tests/scenarios/service calls {forgotten:?}");
}

fn visit_files(dir: &str, visitor: &mut impl for<'ast> Visit<'ast>) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    for entry in std::fs::read_dir(dir).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        visitor.visit_file(&syn::parse_file(&source).unwrap());
    }
}

/// The public methods of `Service`.
#[derive(Default)]
struct Offered(BTreeSet<String>);

impl<'ast> Visit<'ast> for Offered {
    fn visit_item_impl(&mut self, block: &'ast syn::ItemImpl) {
        let is_of_service = matches!(&*block.self_ty, syn::Type::Path(path) if path.path.is_ident("Service"));
        if !is_of_service || block.trait_.is_some() {
            return;
        }
        for item in &block.items {
            if let syn::ImplItem::Fn(function) = item
                && matches!(function.vis, syn::Visibility::Public(_))
                && function.sig.receiver().is_some()
            {
                self.0.insert(function.sig.ident.to_string());
            }
        }
    }
}

/// Methods that are called on a variable `service`.
#[derive(Default)]
struct Called(BTreeSet<String>);

impl<'ast> Visit<'ast> for Called {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if matches!(&*call.receiver, syn::Expr::Path(path) if path.path.is_ident("service")) {
            self.0.insert(call.method.to_string());
        }
        visit::visit_expr_method_call(self, call);
    }

    /// syn does not look into macros: what stands in the arguments of `assert_eq!` counts as well.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let arguments = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        for argument in call.parse_body_with(arguments).into_iter().flatten() {
            self.visit_expr(&argument);
        }
    }
}
