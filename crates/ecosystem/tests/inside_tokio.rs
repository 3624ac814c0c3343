//! Crates that need tokio's runtime, in a loop inside it.

use std::rc::Rc;
use std::time::Duration;

use axum::routing::{get, post};
use axum::{Json, Router};
use oneloop::{Builder, create_task, gather, timeout};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn axum_serves_and_reqwest_fetches() {
    Builder::new().tokio(true).run(async {
        let router = Router::new().route("/", get(async || "hello")).route(
            "/sum",
            post(async |Json(numbers): Json<Vec<i64>>| {
                // A task of oneloop's in a handler that runs in a task of tokio's.
                oneloop::sleep(Duration::from_millis(1)).await;
                Json(json!({ "sum": numbers.iter().sum::<i64>() }))
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = create_task(async move {
            let stop = async move { drop(stopped.await) };
            axum::serve(listener, router).with_graceful_shutdown(stop).await.unwrap();
        });
        let client = Rc::new(reqwest::Client::new());
        let pages = (0..100).map(|number| {
            let client = Rc::clone(&client);
            async move {
                let request = client.post(format!("http://{addr}/sum")).json(&[number, 1]);
                let answer: Value = request.send().await.unwrap().json().await.unwrap();
                assert_eq!(answer["sum"], number + 1);
            }
        });
        timeout(PATIENCE, gather(pages).limit(20)).await.unwrap();
        let hello = client.get(format!("http://{addr}/")).send().await.unwrap();
        assert_eq!(hello.text().await.unwrap(), "hello");
        drop(client);
        stop.send(()).unwrap();
        timeout(PATIENCE, server).await.unwrap().unwrap();
    });
}
