//! Hyper's servers and clients over oneloop's streams, with services that are not `Send`.

#![expect(clippy::unwrap_used, reason = "these are tests, and their helpers")]

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, client, server};
use hyper_util::service::TowerToHyperService;
use oneloop::hyper::{Executor, Timer};
use oneloop::io::{duplex, join_streams};
use oneloop::net::{TcpListener, TcpStream, server_closing};
use oneloop::time::now;
use oneloop::{
    Builder, Event, create_task, gather, select, sleep, start_server, timeout, timeout_at,
};

const PATIENCE: Duration = Duration::from_secs(10);
const ANY_PORT: &str = "127.0.0.1:0";

/// Answers with the length of the body, and counts its requests in a `Cell`.
async fn answer(
    count: &Cell<u32>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    count.set(count.get() + 1);
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::from(format!("{path} {}", body.len()))))
}

/// Serves HTTP/1.1 until `connections` have ended.
async fn serve(listener: TcpListener, connections: u32, count: Rc<Cell<u32>>) {
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.unwrap();
        let count = Rc::clone(&count);
        create_task(async move {
            let service = service_fn(|request| answer(&count, request));
            let mut http = server::conn::http1::Builder::new();
            http.timer(Timer).header_read_timeout(Duration::from_millis(100));
            http.serve_connection(stream, service).await.ok();
        })
        .detach();
    }
}

fn request(body: &[u8]) -> Request<Full<Bytes>> {
    Request::post("/length").header("host", "here").body(Full::from(body.to_vec())).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Sends `requests` over one connection.
async fn client_of_http1(addr: SocketAddr, requests: usize) {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
    let driving = create_task(async move { connection.await.unwrap() });
    for size in 0..requests {
        // Large bodies too, which take many writes and reads.
        let body = vec![b'x'; size * size * 100];
        let response = sender.send_request(request(&body)).await.unwrap();
        assert_eq!(text(response).await, format!("/length {}", body.len()));
    }
    drop(sender);
    driving.await.unwrap();
}

#[test]
fn http1_with_a_service_that_is_not_send() {
    oneloop::run(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let count = Rc::new(Cell::new(0));
        let server = create_task(serve(listener, 10, Rc::clone(&count)));
        let clients = (0..10).map(|_| client_of_http1(addr, 30));
        timeout(PATIENCE, gather(clients)).await.unwrap();
        server.await.unwrap();
        assert_eq!(count.get(), 300);
    });
}

#[test]
fn a_client_that_sends_its_head_slowly_is_closed_by_the_timer() {
    oneloop::run(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = create_task(serve(listener, 1, Rc::default()));
        let stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut buf = [0; 64];
        let mut read = async || while !matches!(stream.read(&mut buf).await, Ok(0) | Err(_)) {};
        timeout(PATIENCE, read()).await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn a_peer_that_resets_in_the_middle_harms_no_other() {
    oneloop::run(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = create_task(serve(listener, 21, Rc::default()));
        for sent in 0..20 {
            let stream = TcpStream::connect(addr).await.unwrap();
            let head = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nhalf";
            stream.write_all(&head[..head.len() * sent / 20]).await.unwrap();
            stream.set_linger(Some(Duration::ZERO)).unwrap();
        }
        timeout(PATIENCE, client_of_http1(addr, 5)).await.unwrap();
        server.await.unwrap();
    });
}

#[test]
fn the_shutdown_of_a_server_lets_requests_finish() {
    oneloop::run(async {
        let has_begun = Rc::new(Event::new());
        let begun = Rc::clone(&has_begun);
        let handler = async move |reader, writer| {
            let begun = Rc::clone(&begun);
            let service = service_fn(async |_: Request<Incoming>| {
                begun.set();
                sleep(Duration::from_millis(50)).await;
                Ok::<_, Infallible>(Response::new("done".to_owned()))
            });
            let stream = join_streams(reader, writer);
            let connection = server::conn::http1::Builder::new().serve_connection(stream, service);
            let mut connection = pin!(connection);
            select! {
                served = connection.as_mut() => served,
                () = server_closing().cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        let server = start_server(handler, ANY_PORT).await.unwrap();
        let stream = TcpStream::connect(server.local_addrs()[0]).await.unwrap();
        let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
        let driving = create_task(connection);
        let response = create_task(async move { sender.send_request(request(b"")).await });
        has_begun.wait().await;
        assert!(server.shutdown(PATIENCE).await, "each connection ended by itself");
        assert_eq!(text(response.await.unwrap().unwrap()).await, "done");
        driving.await.unwrap().unwrap();
    });
}

#[test]
fn http2_with_many_streams_at_once() {
    oneloop::run(async {
        let (one, other) = duplex(4096);
        let count = Rc::new(Cell::new(0));
        let counted = Rc::clone(&count);
        let server = create_task(async move {
            // Each request is a task of its own.
            let service = service_fn(move |request| {
                let counted = Rc::clone(&counted);
                async move { answer(&counted, request).await }
            });
            let http = server::conn::http2::Builder::new(Executor);
            http.serve_connection(one, service).await.unwrap();
        });
        let handshake = client::conn::http2::handshake(Executor, other);
        let (sender, connection) = handshake.await.unwrap();
        let driving = create_task(connection);
        let requests = (0..100).map(|size| {
            let mut sender = sender.clone();
            async move {
                let body = vec![0; size * 500];
                let response = sender.send_request(request(&body)).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                assert_eq!(text(response).await, format!("/length {}", body.len()));
            }
        });
        timeout(PATIENCE, gather(requests)).await.unwrap();
        drop(sender);
        driving.await.unwrap().unwrap();
        server.await.unwrap();
        assert_eq!(count.get(), 100);
    });
}

#[test]
fn an_axum_router_is_served_without_tokios_runtime() {
    let router = Router::new()
        .route("/hello", get(async || "hello"))
        .route("/length", post(async |body: String| body.len().to_string()));
    oneloop::run(async {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let server = create_task(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let service = TowerToHyperService::new(router);
            server::conn::http1::Builder::new().serve_connection(stream, service).await.unwrap();
        });
        let stream = TcpStream::connect(addr).await.unwrap();
        let (mut sender, connection) = client::conn::http1::handshake(stream).await.unwrap();
        let driving = create_task(connection);
        let response = sender.send_request(request(b"four")).await.unwrap();
        assert_eq!(text(response).await, "4");
        drop(sender);
        driving.await.unwrap().unwrap();
        server.await.unwrap();
    });
}

#[test]
fn hypers_timer_follows_virtual_time() {
    Builder::new().virtual_time(true).run(async {
        let start = now();
        let (one, other) = duplex(64);
        let server = create_task(async move {
            let service = service_fn(async |_: Request<Incoming>| {
                Ok::<_, Infallible>(Response::new(String::new()))
            });
            let mut http = server::conn::http1::Builder::new();
            http.timer(Timer).header_read_timeout(Duration::from_secs(5000));
            http.serve_connection(one, service).await.unwrap_err()
        });
        let error = server.await.unwrap();
        assert!(error.is_timeout(), "{error}");
        assert_eq!((now() - start).as_secs(), 5000);
        drop(other);
    });
}

#[test]
fn a_pause_of_the_loop_does_not_lose_data_of_either_side() -> io::Result<()> {
    oneloop::run(async {
        let listener = TcpListener::bind(ANY_PORT).await?;
        let addr = listener.local_addr()?;
        let server = create_task(serve(listener, 1, Rc::default()));
        let client = create_task(client_of_http1(addr, 20));
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await;
            thread::sleep(Duration::from_millis(5));
        }
        let deadline = now() + PATIENCE;
        timeout_at(deadline, client).await.unwrap().unwrap();
        server.await.unwrap();
        Ok(())
    })
}
